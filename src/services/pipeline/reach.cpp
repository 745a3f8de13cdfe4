#include "services/pipeline/reach.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace oxbow {
namespace {

constexpr Duration kPauseMin = std::chrono::seconds(10);
constexpr Duration kPauseMax = std::chrono::minutes(1);

}  // namespace

std::optional<std::string> Reach::failed(Instant now, const Error& error) {
  if (!away_since_) {
    away_since_ = now;
    pause_ = kPauseMin;
    say_next_ = now + pause_;
    was_said_ = false;
  }
  if (now < say_next_) return std::nullopt;
  pause_ = std::min(pause_ * 2, kPauseMax);
  say_next_ = now + pause_;
  was_said_ = true;
  return fmt::format("{} side: away for {}, and tried every second: {}", name(side_),
                     human_duration(now - *away_since_), to_string(error));
}

std::optional<std::string> Reach::worked(Instant now) {
  bool is_news = away_since_ && (was_said_ || !was_reached_);
  auto line = is_news ? std::optional(fmt::format("{} side: can be reached again after {}", name(side_),
                                                  human_duration(now - *away_since_)))
                      : std::nullopt;
  was_reached_ = true;
  away_since_.reset();
  return line;
}

}  // namespace oxbow
