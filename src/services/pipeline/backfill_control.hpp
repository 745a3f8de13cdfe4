// What slows the backfill down: pauses by people, a rate by people, and the throttle. Belongs to the stream's
// thread.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/time.hpp"
#include "core/throttle/throttle.hpp"
#include "model/plane_status.hpp"
#include "model/spec.hpp"
#include "services/pipeline/pace.hpp"

namespace oxbow {

class BackfillControl {
 public:
  explicit BackfillControl(const Limits& limits)
      : rate_{limits.rows_per_second_max, limits.bytes_per_second_max, limits.workers},
        limits_(limits),
        rows_pace_(limits.rows_per_second_max),
        bytes_pace_(limits.bytes_per_second_max) {}

  void pause(std::optional<std::string> entity);
  void resume(std::optional<std::string> entity);
  bool is_paused(const std::string& entity) const { return all_paused_ || paused_.contains(entity); }

  void set_rate(Rate rate);
  const Rate& rate() const { return rate_; }

  void observe(const LoadSigns& signs) { throttle_ = decide_throttle(limits_, signs); }
  const Throttle& throttle() const { return throttle_; }

  // How many workers may begin a range now. Those at work on one finish it: half a range is work for nothing.
  int workers() const;

  // How long a worker must wait before it copies this much more; the amount is then spent.
  Duration spend(Instant now, std::uint64_t rows, std::uint64_t bytes);

 private:
  Rate rate_;
  Limits limits_;
  bool all_paused_ = false;
  std::set<std::string> paused_;
  Throttle throttle_;
  Pace rows_pace_;
  Pace bytes_pace_;
  Instant at_work_since_{};
};

}  // namespace oxbow
