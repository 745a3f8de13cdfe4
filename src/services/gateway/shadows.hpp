// Sends copies of answered requests to the other side, and hands both answers over to be compared.
//
// The contract: a shadow can never delay, fail or exhaust memory for a user. It begins when the user has his
// answer; it has connections, deadlines and a byte budget of its own; what does not fit is dropped, and
// counted by its reason.
// Belongs to one thread.
#pragma once

#include <array>
#include <functional>
#include <memory>

#include "protocol/http1/forwarding.hpp"
#include "runtime/task_group.hpp"
#include "services/gateway/destination.hpp"
#include "services/gateway/shadow_copy.hpp"
#include "services/gateway/upstreams.hpp"

namespace oxbow {

struct ShadowSettings {
  std::size_t memory_bytes_max = 64 << 20;
  std::size_t body_bytes_max = 1 << 20;
  Duration time_max = std::chrono::seconds(10);
};

struct ShadowCounters {
  std::array<std::uint64_t, kShadowSkipNames.size()>
      ended_as{};  // by ShadowSkip; none: both answers are there

  std::uint64_t& operator[](ShadowSkip skip) { return ended_as[static_cast<std::size_t>(skip)]; }
};

class Shadows {
 public:
  using OnPair = std::function<void(std::unique_ptr<ShadowCopy>)>;

  // `upstreams` are for shadows alone.
  Shadows(boost::asio::any_io_executor executor, Upstreams& upstreams, Deadlines& deadlines,
          ShadowSettings settings, OnPair on_pair);

  std::unique_ptr<ShadowCopy> begin(const Destination& destination);

  // The user has his answer. Why there will be no shadow, if there will be none.
  ShadowSkip submit(std::unique_ptr<ShadowCopy> copy, const Destination& destination,
                    const RequestHead& request, http1::RequestChanges changes);

  // Asks one side what the copy asks. The answer, or the reason why there is none.
  boost::asio::awaitable<ShadowSkip> ask(ShadowCopy& copy, Side side, std::string_view head,
                                         RecordedAnswer& answer);

  void count(ShadowSkip skip) { ++counters_[skip]; }
  const ShadowCounters& counters() const { return counters_; }
  std::size_t bytes_used() const { return budget_.used(); }
  std::size_t running() const { return running_.running(); }

  // Ends all that run.
  Task<void> stop();

 private:
  Task<void> run(std::unique_ptr<ShadowCopy> copy);
  Task<void> exchange(ShadowCopy& copy, UpstreamConnection& service, std::string_view head,
                      RecordedAnswer& answer);

  Upstreams& upstreams_;
  Deadlines& deadlines_;
  ShadowSettings settings_;
  OnPair on_pair_;
  ShadowBudget budget_;
  ShadowCounters counters_;
  TaskGroup running_;
};

}  // namespace oxbow
