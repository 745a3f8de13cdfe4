// Who answers a request, and who sees its shadow: the table of the states, applied. Pure; allocates nothing.
//
// Reads follow their class: it moves to the new side in the state that the spec names (`reads`). A route of a
// switch_group moves in the same state as the others of its group, which parse_spec() has checked. In
// `mirrored` a class that may move there does so only for cohorts that are copied and proven equal, and who
// is not copied yet has no shadow. Writes follow the authority. A request without a usable key goes to legacy
// until nothing is left there that it could need; an entity with one cohort needs no key. While a cohort
// changes hands its writes wait, and so does a write that does not tell its cohort.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/routing/request_key.hpp"
#include "core/routing/routing_state.hpp"
#include "model/side.hpp"

namespace oxbow {

enum class Because {
  unlisted,     // no route takes it
  authority,    // a write goes where writes are accepted
  class_stays,  // the state in which its reads move is not reached
  class_moved,
  not_proven,    // its reads may move, once both sides were found equal
  not_copied,    // its reads may move, once its rows are on the new side
  cutover,       // legacy is locked
  no_key_stays,  // without a key, and some cohort is still on legacy
  no_key_moved,  // without a key, and every cohort is past that
  own_writes     // what the client has done may not have come over yet
};

inline constexpr std::array kBecauseNames = {
    std::string_view("unlisted"),    std::string_view("authority"),    std::string_view("class-stays"),
    std::string_view("class-moved"), std::string_view("not-proven"),   std::string_view("not-copied"),
    std::string_view("cutover"),     std::string_view("no-key-stays"), std::string_view("no-key-moved"),
    std::string_view("own-writes")};

constexpr std::string_view name(Because because) {
  return kBecauseNames[static_cast<std::size_t>(because)];
}

// Why a request has no shadow, or that it has one.
enum class ShadowWhy {
  sent,
  unlisted,
  off,  // the route says so
  sampled_out,
  by_state,     // the other side is not mirrored in this state
  no_safe_way,  // a write that would change something
  mixed,        // without a key, and the cohorts do not all have two sides to compare
  not_copied,   // it would have one, but the other side cannot know all rows yet
  upgraded,     // it would have one, but the connection becomes a tunnel
  kept_away     // by an order
};

inline constexpr std::array kShadowWhyNames = {std::string_view("sent"),     std::string_view("unlisted"),
                                               std::string_view("off"),      std::string_view("sampled-out"),
                                               std::string_view("by-state"), std::string_view("no-safe-way"),
                                               std::string_view("mixed"),    std::string_view("not-copied"),
                                               std::string_view("upgraded"), std::string_view("kept-away")};

constexpr std::string_view name(ShadowWhy why) {
  return kShadowWhyNames[static_cast<std::size_t>(why)];
}

struct Decision {
  Side side = Side::legacy;
  std::optional<Side> shadow;
  bool waits = false;  // a write whose cohort, or perhaps one of its cohorts, changes hands: ask again later
  Because because = Because::unlisted;
  ShadowWhy shadow_why = ShadowWhy::unlisted;

  std::optional<std::uint32_t> route;  // index into RouteTable::routes(); none: unlisted, and nothing below
  std::uint32_t entity = 0;            // index into RouteTable::entities()
  KeyFound key = KeyFound::absent;
  std::optional<CohortId> cohort;       // of the key
  std::optional<std::uint32_t> bucket;  // none where the cohort is the only one
  std::optional<State> state;           // of the cohort

  bool is_write(const RouteTable& table) const { return route && table.routes()[*route].route.write; }
};

// `key` is what find_key() or a BodyKeyScanner has found; any outcome but `yes` is a request without a key.
// `target` is that of the head: requests without a key are sampled by it. REQUIRES: table and state are of
// one spec.
Decision decide(const RouteTable& table, const RoutingState& state, const RouteMatch& match,
                const RequestKey& key, std::string_view target);

// Nobody decides what is said on a connection that is upgraded: it goes where the writes of its cohort go,
// whatever class its route has, and has no shadow.
void decide_upgrade(Decision& decision);

// Who answers the requests of this route whose key is in this cohort.
Side answering_side(const RouteTable& table, const RoutingState& state, std::uint32_t route, CohortId cohort);

// Where a write's shadow goes: the safe path of its route with the parameters of the request, and its query.
// REQUIRES: the route has a safe path.
std::string shadow_target(const RouteTable& table, const RouteMatch& match, const RequestHead& head);

}  // namespace oxbow
