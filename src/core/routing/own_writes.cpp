#include "core/routing/own_writes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace oxbow {
namespace {

bool take_number(std::string_view& text, char letter, std::uint64_t& number) {
  if (!text.starts_with(letter)) return false;
  auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool has_two_sides(const CohortRouting& cohort) {
  return cohort.state != State::legacy && cohort.state != State::fully_cutover;
}

}  // namespace

std::string to_text(SeenBeats seen) {
  return fmt::format("l{}.n{}", seen.legacy, seen.new_side);
}

SeenBeats parse_seen(std::string_view text) {
  SeenBeats seen;
  bool is_one = take_number(text, 'l', seen.legacy) && text.starts_with('.');
  if (is_one) text.remove_prefix(1);
  is_one = is_one && take_number(text, 'n', seen.new_side) && text.empty();
  return is_one ? seen : SeenBeats();
}

std::optional<Side> lags_behind(const Decision& decision, const RouteTable& table,
                                const RoutingState& state) {
  if (!decision.route || decision.is_write(table)) return std::nullopt;
  auto away = other(decision.side);
  if (decision.state) return authority(*decision.state) == away ? std::optional(away) : std::nullopt;
  bool any = std::ranges::any_of(state.cohorts[decision.entity], [&](const auto& cohort) {
    return has_two_sides(cohort) && authority(cohort.state) == away;
  });
  return any ? std::optional(away) : std::nullopt;
}

void turn_to_authority(Decision& decision, const RoutingState& state) {
  auto away = other(decision.side);
  bool knows_more = decision.state ||
                    std::ranges::all_of(state.cohorts[decision.entity],
                                        [&](const auto& cohort) { return authority(cohort.state) == away; });
  if (!knows_more) return;
  decision.side = away;
  decision.because = Because::own_writes;
  if (decision.shadow) decision.shadow = other(away);
}

bool is_ahead(const Decision& decision, const RoutingState& state) {
  auto may_be = [&](const CohortRouting& cohort) {
    return has_two_sides(cohort) && authority(cohort.state) == decision.side;
  };
  if (!decision.route)  // nobody knows what it has done there
    return std::ranges::any_of(state.cohorts,
                               [&](const auto& entity) { return std::ranges::any_of(entity, may_be); });
  const auto& cohorts = state.cohorts[decision.entity];
  return decision.cohort ? may_be(cohorts[decision.cohort->value()]) : std::ranges::any_of(cohorts, may_be);
}

}  // namespace oxbow
