// Looks at the stream back: whether it moves, which rows it could not bring to legacy, and by how much the
// log grows that is kept for it. Lives on the pipeline's executor.
#pragma once

#include <utility>

#include "core/envelope/log_growth.hpp"
#include "core/envelope/stream_back_facts.hpp"
#include "services/pipeline/stream.hpp"

namespace oxbow {

class StreamBackWatch {
 public:
  StreamBackWatch(const Stream& there, Stream& back);

  Task<void> run();

  StreamBackFacts facts() const;

 private:
  // Changes with every row that comes to quarantine or leaves it.
  struct Mark {
    const StreamSession* session = nullptr;
    std::uint64_t quarantined = 0;  // by this session
    std::size_t waiting = 0;        // keys

    friend bool operator==(const Mark&, const Mark&) = default;
  };

  void see_whether_it_moves();
  Task<void> read_what_waits();
  Mark mark_of(StreamSession& session) const;

  const Stream& there_;
  Stream& back_;
  Instant moved_at_;
  std::pair<Lsn, std::uint64_t> stood_at_;  // position, and changes behind it
  LogGrowth growth_;
  Instant measured_growth_at_{};
  Mark read_at_;
  std::shared_ptr<const RowsAtStake> waiting_;
};

}  // namespace oxbow
