#include "flow/handover/handover.hpp"

#include <fmt/core.h>

#include <utility>

namespace oxbow {
namespace {

HandoverAction first_action(HandoverBegins begins) {
  switch (begins) {
    case HandoverBegins::fresh:
      return HandoverAction::install_guards;
    case HandoverBegins::interrupted_before_flip:
      return HandoverAction::reopen_old;
    case HandoverBegins::interrupted_behind_flip:
      return HandoverAction::leave_stream;
  }
  std::unreachable();
}

long long milliseconds_of(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

Handover::Handover(HandoverLimits limits, HandoverBegins begins, Instant now)
    : limits_(limits), action_(first_action(begins)), began_(now) {
  if (begins == HandoverBegins::interrupted_before_flip)
    given_up_ = Error{ErrorCode::cancelled, "oxbow ended meanwhile; nothing has moved"};
}

std::optional<HandoverAction> Handover::next(Instant now) {
  if (ended_) return std::nullopt;
  if (auto error = overdue(now)) give_up(*std::move(error));
  // From here on writes are held, also when only the answer to the order is lost.
  if (action_ == HandoverAction::hold && !held_) held_ = now;
  return action_;
}

void Handover::succeeded(Instant now) {
  waits_for_.reset();
  if (action_ == HandoverAction::release || action_ == HandoverAction::release_back) released_ = now;
  ended_ = action_ == HandoverAction::end || action_ == HandoverAction::end_without_change;
  if (!ended_) action_ = static_cast<HandoverAction>(static_cast<int>(action_) + 1);
}

void Handover::failed(Error error) {
  if (is_before_flip()) {
    give_up(std::move(error));
  } else {
    waits_for_ = std::move(error);
  }
}

bool Handover::call_back() {
  if (!is_before_flip()) return given_up_.has_value();
  give_up({ErrorCode::cancelled, "it was called back"});
  return true;
}

std::optional<Duration> Handover::pause() const {
  if (!held_ || !released_) return std::nullopt;
  return *released_ - *held_;
}

void Handover::give_up(Error why) {
  given_up_ = std::move(why);
  action_ = HandoverAction::reopen_old;
}

std::optional<Duration> Handover::time_left(Instant now) const {
  if (!is_before_flip()) return std::nullopt;
  return held_ ? limits_.pause_max - (now - *held_) : limits_.prepare_max - (now - began_);
}

std::optional<Error> Handover::overdue(Instant now) const {
  auto left = time_left(now);
  if (!left || *left >= Duration{}) return std::nullopt;
  auto allowed = held_ ? limits_.pause_max : limits_.prepare_max;
  return Error{ErrorCode::timeout,
               fmt::format("{} was not over within {} ms, so nothing has moved{}", name(action_),
                           milliseconds_of(allowed), waits_for_ ? ": " + waits_for_->detail : std::string())};
}

}  // namespace oxbow
