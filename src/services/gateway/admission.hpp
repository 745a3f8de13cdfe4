// Who may ask the services of one side. So many requests may wait at once for an answer to begin; and where
// answers only come too late, few are asked, so that the others need not wait in vain. One URL that is never
// answered takes the side from nobody: what counts is that nothing else was answered meanwhile, and what has
// not been asked in vain goes first. Belongs to one thread. Time is an argument.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace oxbow {

class Admission {
 public:
  // `side` is for the log. After `late_max` late answers in a row most are refused.
  Admission(std::string_view side, std::uint64_t waiting_max, int late_max)
      : side_(side), waiting_max_(waiting_max), late_max_(late_max) {}

  // A request that waits for its service, while it lives.
  class Seat {
   public:
    Seat() = default;
    Seat(Seat&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)) {}
    Seat& operator=(Seat&& other) noexcept {
      std::swap(admission_, other.admission_);
      return *this;
    }
    ~Seat() {
      if (admission_ != nullptr) --admission_->waiting_;
    }

   private:
    friend class Admission;
    explicit Seat(Admission& admission) : admission_(&admission) { ++admission.waiting_; }

    Admission* admission_ = nullptr;
  };

  bool is_full() const { return waiting_ >= waiting_max_; }
  Seat take_seat() { return Seat(*this); }  // also where it is full: who has begun goes on

  // `waits`: a few others are being asked in front; ask again when they have their answers.
  enum class Entry { is_free, waits, is_shut };

  // Whether the side may answer in time, as far as is known. Each `is_free` is one of few where it probably
  // does not.
  Entry may_enter(std::string_view url, Instant now);

  // So many answers have begun.
  std::uint64_t answers() const { return answers_; }
  void answered();

  // No answer has begun to what was asked at that time, when there had been so many `answers`.
  void was_late(std::string_view url, std::uint64_t answers, Instant asked, Instant now);

 private:
  // So many in each second.
  struct Allowance {
    int each_second;
    int used = 0;
    Instant until{};

    bool take(Instant now);
  };

  bool is_away() const { return late_ >= late_max_; }
  void forget();

  std::string_view side_;
  std::uint64_t waiting_max_;
  int late_max_;
  std::uint64_t waiting_ = 0;
  std::uint64_t answers_ = 0;
  int late_ = 0;  // in a row
  Instant last_late_{};
  std::vector<std::uint64_t> asked_in_vain_;  // URLs since the last answer; some of them, if they are many
  Allowance for_those_{1};
  Allowance for_others_{4};
};

}  // namespace oxbow
