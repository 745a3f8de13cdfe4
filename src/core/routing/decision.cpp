#include "core/routing/decision.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "core/cohort/cohorts.hpp"

namespace oxbow {
namespace {

struct Answer {
  Side side;
  Because because;
};

bool has_rows_on_both(const CohortRouting& cohort) {
  return cohort.state != State::mirrored || cohort.copied;
}

Answer answer_of_read(const CohortRouting& cohort, State moves_at) {
  if (cohort.state == State::fully_cutover) return {Side::new_side, Because::cutover};
  if (cohort.state < moves_at) return {Side::legacy, Because::class_stays};
  if (!has_rows_on_both(cohort)) return {Side::legacy, Because::not_copied};
  if (cohort.state == State::mirrored && !cohort.proven) return {Side::legacy, Because::not_proven};
  return {Side::new_side, Because::class_moved};
}

Answer answer_in(const CohortRouting& cohort, const RoutedRoute& routed) {
  if (routed.route.write) return {authority(cohort.state), Because::authority};
  return answer_of_read(cohort, routed.moves_at);
}

// Both sides hold the cohort's rows, or will once they are copied.
bool has_two_sides(State state) {
  return state != State::legacy && state != State::fully_cutover;
}

// The new side is asked for all cohorts at once only if none of them lives on legacy any more, and nobody
// would read there what its class keeps on legacy; a cohort that was cut over is not on legacy at all.
Answer answer_without_key(const std::vector<CohortRouting>& cohorts, const RoutedRoute& routed) {
  bool all_past =
      std::ranges::all_of(cohorts, [](const auto& cohort) { return cohort.state > State::mirrored; });
  bool all_moved = std::ranges::all_of(
      cohorts, [&](const auto& cohort) { return answer_in(cohort, routed).side == Side::new_side; });
  bool any_cut_over =
      std::ranges::any_of(cohorts, [](const auto& cohort) { return cohort.state == State::fully_cutover; });
  bool moved = all_past && (all_moved || any_cut_over);
  return moved ? Answer{Side::new_side, Because::no_key_moved} : Answer{Side::legacy, Because::no_key_stays};
}

bool is_sampled(const RouteTable& table, const ShadowRule& rule, std::string_view by) {
  return rule.buckets == kBucketCount || bucket_of(table.shadow_salt(), by) < rule.buckets;
}

// `cohort` is that of the request, or one that stands for all of them.
ShadowWhy shadow_in(const CohortRouting& cohort, const RouteTable& table, const RoutedRoute& routed,
                    std::string_view sampled_by) {
  const auto& rule = routed.route.shadow;
  if (routed.route.write && rule.path.empty()) return ShadowWhy::no_safe_way;
  if (rule.buckets == 0) return ShadowWhy::off;
  bool shadowed = routed.route.write ? cohort.state == State::mirrored : has_two_sides(cohort.state);
  if (!shadowed) return ShadowWhy::by_state;
  if (!is_sampled(table, rule, sampled_by)) return ShadowWhy::sampled_out;
  if (cohort.shadows_kept_away) return ShadowWhy::kept_away;
  return has_rows_on_both(cohort) ? ShadowWhy::sent : ShadowWhy::not_copied;
}

ShadowWhy shadow_without_key(const std::vector<CohortRouting>& cohorts, const RouteTable& table,
                             const RoutedRoute& routed, std::string_view target) {
  CohortRouting all{.state = State::mirrored,
                    .copied = std::ranges::all_of(cohorts, has_rows_on_both),
                    .shadows_kept_away = std::ranges::any_of(cohorts, &CohortRouting::shadows_kept_away)};
  auto why = shadow_in(all, table, routed, target);
  if (why == ShadowWhy::no_safe_way || why == ShadowWhy::off) return why;
  auto two_sides = [&](const auto& cohort) {
    return routed.route.write ? cohort.state == State::mirrored : has_two_sides(cohort.state);
  };
  if (std::ranges::none_of(cohorts, two_sides)) return ShadowWhy::by_state;
  return std::ranges::all_of(cohorts, two_sides) ? why : ShadowWhy::mixed;
}

// Where the cohort of the request is known.
void decide_in(const KeyPlace& place, const RouteTable& table, const RoutingState& state,
               std::string_view sampled_by, Decision& decision) {
  const auto& routed = table.routes()[*decision.route];
  const auto& routing = state.cohorts[decision.entity][place.cohort.value()];
  decision.cohort = place.cohort;
  decision.bucket = place.bucket;
  decision.state = routing.state;
  auto answer = answer_in(routing, routed);
  decision.side = answer.side;
  decision.because = answer.because;
  decision.waits = routed.route.write && routing.held;
  decision.shadow_why = shadow_in(routing, table, routed, sampled_by);
}

void decide_without_key(const RouteTable& table, const RoutingState& state, std::string_view target,
                        Decision& decision) {
  const auto& routed = table.routes()[*decision.route];
  const auto& cohorts = state.cohorts[decision.entity];
  auto answer = answer_without_key(cohorts, routed);
  decision.side = answer.side;
  decision.because = answer.because;
  decision.waits = routed.route.write && std::ranges::any_of(cohorts, &CohortRouting::held);
  decision.shadow_why = shadow_without_key(cohorts, table, routed, target);
}

}  // namespace

Decision decide(const RouteTable& table, const RoutingState& state, const RouteMatch& match,
                const RequestKey& key, std::string_view target) {
  OXBOW_ASSERT(state.spec_hash == table.spec_hash(), "the states of spec {} and the routes of spec {}",
               state.spec_hash, table.spec_hash());
  Decision decision;
  if (!match.route) return decision;
  decision.route = match.route;
  decision.entity = table.routes()[*match.route].entity;
  decision.key = key.found;
  auto sampled_by = key.found == KeyFound::yes ? key.text : target;
  const auto& cohorts = table.entities()[decision.entity].cohorts;
  if (state.cohorts[decision.entity].size() == 1) {
    decide_in({.cohort = CohortId(), .bucket = std::nullopt}, table, state, sampled_by, decision);
  } else if (key.found == KeyFound::yes) {
    decide_in(place_of(cohorts, key.text), table, state, sampled_by, decision);
  } else {
    decide_without_key(table, state, target, decision);
  }
  if (decision.shadow_why == ShadowWhy::sent) decision.shadow = other(decision.side);
  return decision;
}

void decide_upgrade(Decision& decision) {
  decision.shadow.reset();
  if (decision.shadow_why == ShadowWhy::sent || decision.shadow_why == ShadowWhy::not_copied)
    decision.shadow_why = ShadowWhy::upgraded;
  if (!decision.state) return;
  decision.side = authority(*decision.state);
  decision.because = Because::authority;
}

Side answering_side(const RouteTable& table, const RoutingState& state, std::uint32_t route,
                    CohortId cohort) {
  const auto& routed = table.routes()[route];
  return answer_in(state.cohorts[routed.entity][cohort.value()], routed).side;
}

std::string shadow_target(const RouteTable& table, const RouteMatch& match, const RequestHead& head) {
  const auto& routed = table.routes()[*match.route];
  OXBOW_ASSERT(!routed.shadow_segments.empty(), "{} has no safe path", routed.route.path);
  auto value_of = [&](std::string_view parameter) {
    std::size_t at = 0;
    for (const auto& segment : routed.segments) {
      if (segment.is_parameter && segment.text == parameter) break;
      at += segment.is_parameter;
    }
    return match.parameters[at];
  };
  std::string target;
  for (const auto& segment : routed.shadow_segments) {
    target += '/';
    target += segment.is_parameter ? value_of(segment.text) : std::string_view(segment.text);
  }
  if (auto query = head.target.find('?'); query != std::string_view::npos)
    target += head.target.substr(query);
  return target;
}

}  // namespace oxbow
