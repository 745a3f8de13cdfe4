// What a shadow needs of a request that was answered: the request itself, and the answer that the user got.
// Counted against the budget of all shadows while it lives. One thread at a time.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.hpp"
#include "model/side.hpp"
#include "services/gateway/routing.hpp"
#include "services/gateway/shadow_skip.hpp"

namespace oxbow {

// Bytes that all shadows together may hold. Any thread.
class ShadowBudget {
 public:
  explicit ShadowBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  bool take(std::size_t bytes) {
    auto used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > bytes_max_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::size_t bytes) { used_ -= bytes; }
  std::size_t used() const { return used_; }

 private:
  std::size_t bytes_max_;
  std::atomic<std::size_t> used_ = 0;
};

// One answer of a side, as it came.
struct RecordedAnswer {
  std::string head;  // up to and with the empty line
  std::string body;
  // From the last byte of the request to that of the answer; none where the user has slowed it down.
  std::optional<Duration> took = std::nullopt;
};

class ShadowCopy {
 public:
  // The first answers; those of a second look, some time later; the first ones, and no second look was
  // possible.
  enum class Look { first, second, only };

  // What no second look takes back.
  struct FirstLook {
    bool differed = false;
    bool legacy_failed = false;
    bool new_failed = false;
  };

  ShadowCopy(std::shared_ptr<ShadowBudget> budget, std::size_t body_bytes_max)
      : budget_(std::move(budget)), body_bytes_max_(body_bytes_max) {}
  ~ShadowCopy() { budget_->give_back(taken_); }
  ShadowCopy(const ShadowCopy&) = delete;
  ShadowCopy& operator=(const ShadowCopy&) = delete;

  // Appends, unless that is too much: then the copy is useless, and skip() says why.
  void add(std::string& to, std::string_view bytes) {
    if (skip_ != ShadowSkip::none || bytes.empty()) return;
    if (to.size() + bytes.size() > body_bytes_max_) return give_up(ShadowSkip::body_too_large);
    if (!take(bytes.size())) return give_up(ShadowSkip::budget);
    to += bytes;
  }

  bool take(std::size_t bytes) {
    if (!budget_->take(bytes)) return false;
    taken_ += bytes;
    return true;
  }

  void give_up(ShadowSkip why) {
    skip_ = why;
    request_head = request_body = {};
    answer = shadow_answer = twin_answer = {};
    budget_->give_back(std::exchange(taken_, 0));
  }
  ShadowSkip skip() const { return skip_; }

  Side answered_by = Side::legacy;
  std::size_t route = 0;
  std::string method;
  std::string request;       // "GET /payments/4711?full=1", as the user has asked; a shadow may go elsewhere
  std::string request_head;  // as it is sent to the shadow, and for reads once more to the side that answered
  bool takes_twin = false;
  Look look = Look::first;
  FirstLook first_look;  // behind it
  std::string request_body;
  RecordedAnswer answer;                  // what the user got
  RecordedAnswer shadow_answer;           // of the other side
  ShadowSkip failure = ShadowSkip::none;  // why that one failed to answer: unreachable, timeout or broken_off
  RecordedAnswer twin_answer;             // of legacy, asked once more; empty: it was not
  bool is_asked_alike = false;            // shadow and twin: by us, and each among as many others
  std::shared_ptr<const Routing> routing;

 private:
  std::shared_ptr<ShadowBudget> budget_;
  std::size_t body_bytes_max_;
  std::size_t taken_ = 0;
  ShadowSkip skip_ = ShadowSkip::none;
};

}  // namespace oxbow
