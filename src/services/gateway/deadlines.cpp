#include "services/gateway/deadlines.hpp"

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {

namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(100);

}  // namespace

Deadline::Deadline(Deadlines& deadlines, std::function<void()> on_expiry)
    : deadlines_(deadlines), on_expiry_(std::move(on_expiry)), next_(deadlines.first_) {
  if (next_ != nullptr) next_->before_ = this;
  deadlines.first_ = this;
}

Deadline::~Deadline() {
  if (deadlines_.upcoming_ == this) deadlines_.upcoming_ = next_;
  if (next_ != nullptr) next_->before_ = before_;
  (before_ != nullptr ? before_->next_ : deadlines_.first_) = next_;
}

void Deadline::set(Duration from_now) {
  at_ = monotonic_now() + from_now;  // the last look may be long ago, and nothing comes too early
}

Deadlines::Deadlines() : now_(monotonic_now()) {}

Task<void> Deadlines::run() {
  while (true) {
    CO_TRY(co_await sleep_for(kLookEvery));
    now_ = monotonic_now();
    expire();
  }
}

void Deadlines::expire() {
  for (auto* each = first_; each != nullptr; each = upcoming_) {
    upcoming_ = each->next_;
    if (each->at_ > now_) continue;
    each->clear();
    each->expired_ = true;
    each->on_expiry_();
  }
  upcoming_ = nullptr;
}

}  // namespace oxbow
