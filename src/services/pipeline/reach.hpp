// Whether a database can be reached, and when there is something to say about it: not at every look, but
// often enough that nobody takes silence for health. Values.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/time.hpp"
#include "model/side.hpp"

namespace oxbow {

class Reach {
 public:
  explicit Reach(Side side) : side_(side) {}

  // A look that failed. The first failure is said by who met it; from then on a line after 10 s, 20 s, 40 s
  // and every minute.
  std::optional<std::string> failed(Instant now, const Error& error);

  // A look that worked.
  std::optional<std::string> worked(Instant now);

  // True if no later look can work either: nobody was let in yet, and only a person can mend why.
  bool is_hopeless(const Error& error) const { return !was_reached_ && !is_retryable(error.code); }

 private:
  Side side_;
  bool was_reached_ = false;
  bool was_said_ = false;
  std::optional<Instant> away_since_;
  Instant say_next_{};
  Duration pause_{};
};

}  // namespace oxbow
