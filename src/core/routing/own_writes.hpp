// A client reads what it has written: where a read is answered by a side that has not got the authority, that
// side must have come as far as the client has. A client carries along which beats come behind all that it
// has seen. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/routing/decision.hpp"

namespace oxbow {

// By source: the first beat behind everything that this client was told, see SourceAdmin::beat().
struct SeenBeats {
  std::uint64_t legacy = 0, new_side = 0;

  std::uint64_t of(Side source) const { return source == Side::legacy ? legacy : new_side; }

  friend bool operator==(const SeenBeats&, const SeenBeats&) = default;
};

// "l12.n34"
std::string to_text(SeenBeats seen);

// Nothing seen if it is no such text: a client that makes one up harms itself alone.
SeenBeats parse_seen(std::string_view text);

// The side whose writes the answering side gets by a stream, and may not have got yet; none: it has the
// authority, or the request reads nothing.
std::optional<Side> lags_behind(const Decision& decision, const RouteTable& table, const RoutingState& state);

// The read goes to the authority. Left as it is where it has no key and not all cohorts have the same
// authority, because then nobody knows more. REQUIRES: lags_behind(decision)
void turn_to_authority(Decision& decision, const RoutingState& state);

// Whether what this side answers may be news that the other side gets only by a stream.
bool is_ahead(const Decision& decision, const RoutingState& state);

}  // namespace oxbow
