#include "services/gateway/admission.hpp"

#include <algorithm>
#include <functional>

#include "base/log.hpp"

namespace oxbow {
namespace {

constexpr Duration kInARow = std::chrono::minutes(1);  // late answers are, if no more lies between them
constexpr std::size_t kUrlsMax = 64;

std::uint64_t hash_of(std::string_view url) {
  return std::hash<std::string_view>{}(url);
}

}  // namespace

bool Admission::Allowance::take(Instant now) {
  if (now >= until) {
    used = 0;
    until = now + std::chrono::seconds(1);
  }
  return used < each_second && ++used > 0;
}

Admission::Entry Admission::may_enter(std::string_view url, Instant now) {
  // Who is still waited for may be late as well.
  bool waits_for_others = waiting_ > 1;
  if (is_away() && now - last_late_ > kInARow && !waits_for_others) forget();
  if (!is_away()) return Entry::is_free;
  bool was_in_vain = std::ranges::find(asked_in_vain_, hash_of(url)) != asked_in_vain_.end();
  if ((was_in_vain ? for_those_ : for_others_).take(now)) return Entry::is_free;
  return was_in_vain ? Entry::is_shut : Entry::waits;
}

void Admission::forget() {
  late_ = 0;
  asked_in_vain_.clear();
}

void Admission::answered() {
  ++answers_;
  if (late_ == 0) return;
  if (is_away()) log_warn("the {} service answers again", side_);
  forget();
}

void Admission::was_late(std::string_view url, std::uint64_t answers, Instant asked, Instant now) {
  if (answers != answers_) return;
  bool was_away = is_away();
  if (asked - last_late_ > kInARow && !was_away) late_ = 0;
  last_late_ = now;
  ++late_;
  if (std::ranges::find(asked_in_vain_, hash_of(url)) == asked_in_vain_.end()) {
    if (asked_in_vain_.size() == kUrlsMax) asked_in_vain_.erase(asked_in_vain_.begin());
    asked_in_vain_.push_back(hash_of(url));
  }
  if (!is_away() || was_away) return;
  log_warn(
      "the {} service has begun no answer in time to the last {} requests; until it does, few are passed on",
      side_, late_);
  for_those_ = {.each_second = for_those_.each_second,
                .used = for_those_.each_second,
                .until = now + std::chrono::seconds(1)};
  for_others_ = {.each_second = for_others_.each_second};
}

}  // namespace oxbow
