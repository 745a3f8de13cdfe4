// Many coarse deadlines, most of which never come: each is a field, looked at ten times a second, so that
// setting one costs next to nothing, and none comes early. Belongs to one thread.
#pragma once

#include <functional>

#include "base/time.hpp"
#include "runtime/task.hpp"

namespace oxbow {

class Deadlines;

// Runs its action once when its time has come. Outlived by its Deadlines.
class Deadline {
 public:
  Deadline(Deadlines& deadlines, std::function<void()> on_expiry);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void set(Duration from_now);
  void clear() { at_ = Instant::max(); }
  bool has_expired() const { return expired_; }

 private:
  friend class Deadlines;

  Deadlines& deadlines_;
  std::function<void()> on_expiry_;
  Instant at_ = Instant::max();
  bool expired_ = false;
  Deadline* before_ = nullptr;
  Deadline* next_ = nullptr;
};

class Deadlines {
 public:
  Deadlines();

  // Lets deadlines expire until it is cancelled.
  Task<void> run();

  Instant now() const { return now_; }  // as of the last look

 private:
  friend class Deadline;

  void expire();

  Instant now_;
  Deadline* first_ = nullptr;
  Deadline* upcoming_ = nullptr;  // of a round, which may remove any
};

}  // namespace oxbow
