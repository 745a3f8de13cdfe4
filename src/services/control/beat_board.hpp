// How far each side has come with the writes of the other, told by beats: numbers that a stream puts into the
// log of its source and meets again on its target. The streams write it, the gateway reads it; any thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/time.hpp"
#include "model/side.hpp"

namespace oxbow {

class BeatBoard {
 public:
  // The next beat of this source: what is committed there at the time of this call lies before it in the log.
  std::uint64_t next(Side source) const { return of(source).sent + 1; }

  // Whether the other side holds everything that `source` had committed before it sent this beat or a later
  // one. False for a beat of an earlier run, until one of this run has arrived.
  bool has_arrived(Side source, std::uint64_t beat) const { return of(source).arrived >= beat; }

  // Somebody waits for the next beat.
  void hurry(Side source) { of(source).is_wanted = true; }

  // ---- for the stream that reads this source's log; one at a time ----

  // `last` is the newest beat that either side knows.
  void begin(Side source, std::uint64_t last) {
    auto& log = of(source);
    if (last > log.sent) log.sent = log.before_this_run = last;
  }

  // The number of the beat that is sent now, larger than all before it.
  std::uint64_t send(Side source, WallTime now) {
    auto& log = of(source);
    log.is_wanted = false;
    auto number =
        std::max<std::uint64_t>(log.sent + 1, static_cast<std::uint64_t>(now.time_since_epoch().count()));
    return log.sent = number;
  }

  bool is_hurried(Side source) const { return of(source).is_wanted; }

  // What the log holds before this beat is committed on the other side.
  void arrive(Side source, std::uint64_t beat) {
    auto& log = of(source);
    if (beat > log.before_this_run) log.arrived = beat;
  }

 private:
  struct Log {
    // Set before the beat is sent, so that whoever has read an older number was there before it.
    std::atomic<std::uint64_t> sent = 0;
    std::atomic<std::uint64_t> before_this_run = 0;
    std::atomic<std::uint64_t> arrived = 0;
    std::atomic<bool> is_wanted = false;
  };

  Log& of(Side source) { return logs_[source == Side::legacy ? 0 : 1]; }
  const Log& of(Side source) const { return logs_[source == Side::legacy ? 0 : 1]; }

  std::array<Log, 2> logs_;
};

}  // namespace oxbow
