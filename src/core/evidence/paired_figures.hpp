// What can be said of two sides that answered the same requests: who is slower, who fails, how often they
// differ at first and after a second look, and how much of the traffic was compared at all. Values of bounded
// size; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "core/evidence/log_histogram.hpp"

namespace oxbow {

// Times of both sides for the same requests. Pairs in which neither is slower by more than `delta` say
// nothing; of the others, each side has as many if new is not slower and both were asked alike. Those that
// were not say only how long each side takes.
class LatencyPairs {
 public:
  explicit LatencyPairs(Duration delta) : delta_(delta) {}

  void record(Duration legacy, Duration new_side);         // asked alike
  void record_unlike(Duration legacy, Duration new_side);  // in other ways, or in other company

  std::uint64_t count() const { return legacy_.count(); }
  std::uint64_t asked_alike() const { return new_later_.count() + new_earlier_.count(); }
  std::uint64_t new_slower() const { return new_slower_; }        // by more than delta
  std::uint64_t legacy_slower() const { return legacy_slower_; }  // by more than delta
  double log_e_new_slower() const;  // evidence that new is slower, valid at every look

  const LogHistogram& legacy() const { return legacy_; }
  const LogHistogram& new_side() const { return new_side_; }

  // Of new minus legacy in the same request, asked alike: negative where new was faster.
  Duration difference_quantile(double q) const;

 private:
  Duration delta_;
  std::uint64_t new_slower_ = 0;
  std::uint64_t legacy_slower_ = 0;
  LogHistogram legacy_;
  LogHistogram new_side_;
  LogHistogram new_later_;    // differences from zero up
  LogHistogram new_earlier_;  // the others, without their sign
};

// Who failed to answer the same requests. What a failure is, the caller decides.
struct ErrorTable {
  std::uint64_t both_ok = 0;
  std::uint64_t only_legacy_failed = 0;
  std::uint64_t only_new_failed = 0;
  std::uint64_t both_failed = 0;

  void record(bool legacy_ok, bool new_ok);

  double log_e_new_fails_more() const;  // valid at every look

  friend bool operator==(const ErrorTable&, const ErrorTable&) = default;
};

// Differences before and after the second look at data that were still on their way. What was equal at first
// is looked at again where legacy's own twin differed, and may differ then.
struct DivergenceCounts {
  std::uint64_t compared = 0;
  std::uint64_t differed_first = 0;
  std::uint64_t rechecked = 0;
  std::uint64_t differed_after_recheck = 0;
  std::uint64_t differed = 0;  // at their last look, be it the first or the second

  void record(bool at_first, std::optional<bool> at_second);

  friend bool operator==(const DivergenceCounts&, const DivergenceCounts&) = default;
};

// How much of what could be compared was compared, and why the rest was not.
class Coverage {
 public:
  static constexpr std::size_t kReasonsMax = 64;  // further ones count as "other"

  void compared() { ++compared_; }
  void skipped(std::string_view reason, std::uint64_t count = 1);  // eligible, but not compared
  void add(const Coverage& other);

  std::uint64_t eligible() const { return compared_ + skipped_; }
  std::uint64_t compared_count() const { return compared_; }
  double share() const;  // 0 while nothing was eligible: no data is no coverage

  const std::map<std::string, std::uint64_t, std::less<>>& reasons() const { return reasons_; }

 private:
  std::uint64_t compared_ = 0;
  std::uint64_t skipped_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> reasons_;
};

}  // namespace oxbow
