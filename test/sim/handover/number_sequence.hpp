// What numbers the rows of one side, and what a session keeps of it: a session takes fifty numbers at once,
// and those that it has not used when it ends are gone.
#pragma once

#include <cstdint>
#include <optional>

namespace oxbow::sim {

class NumberSequence {
 public:
  static constexpr std::int64_t kCached = 50;

  // The first of the next fifty numbers.
  std::int64_t take() {
    auto first = next_;
    next_ += kCached;
    return first;
  }

  std::optional<std::int64_t> last_given() const {
    return next_ == 1 ? std::nullopt : std::optional(next_ - 1);
  }

  // A sequence that is further stays where it is.
  void advance(std::int64_t next) {
    if (next > next_) next_ = next;
  }

 private:
  std::int64_t next_ = 1;
};

class NumberCache {
 public:
  std::int64_t next(NumberSequence& sequence) {
    if (left_ == 0) {
      next_ = sequence.take();
      left_ = NumberSequence::kCached;
    }
    --left_;
    return next_++;
  }

  void forget() { left_ = 0; }  // the session has ended

 private:
  std::int64_t next_ = 0, left_ = 0;
};

}  // namespace oxbow::sim
