// Anything that somebody has to look at. A finding is never dropped: it is closed by what settles it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "model/side.hpp"

namespace oxbow {

enum class FindingKind {
  divergence,       // both sides were compared at the same logical point and differ
  rogue_write,      // somebody else wrote on the projection
  quarantined_row,  // the new side rejects it; later changes of its key wait behind it
  drift,            // a schema changed
  not_covered,      // a table of the legacy side that no entity names
  rows_unexpected,  // a change met more or fewer rows than it must
  stream_given_up,  // it cannot go on: its log was released, or a server has forgotten its last transactions
  spec_not_taken,   // the spec's file was changed, and is not what is in force
  guard_lost,       // a guard is not as it was told to be, or was told what the journal has never heard of
  legacy_read,      // somebody reads, or could read, legacy tables of an entity that was cut over
  service_failing,  // an address of a service has failed several times in a row and has not answered since
};

inline constexpr std::array kFindingKindNames = {
    std::string_view("divergence"),      std::string_view("rogue-write"),
    std::string_view("quarantined-row"), std::string_view("drift"),
    std::string_view("not-covered"),     std::string_view("rows-unexpected"),
    std::string_view("stream-given-up"), std::string_view("spec-not-taken"),
    std::string_view("guard-lost"),      std::string_view("legacy-read"),
    std::string_view("service-failing")};

constexpr std::string_view name(FindingKind kind) {
  return kFindingKindNames[static_cast<std::size_t>(kind)];
}

// Those that say of rows that the two sides do not hold the same.
inline constexpr std::array kDivergenceKinds = {FindingKind::divergence, FindingKind::rogue_write,
                                                FindingKind::quarantined_row, FindingKind::rows_unexpected};

struct Finding {
  FindingKind kind;
  std::string entity;    // empty if it belongs to none
  std::string table;     // as people write it: public.payments
  std::string key;       // "payment_id=4711"; empty if it concerns the table
  std::string sentence;  // what happened, and what to do
  std::string detail;    // fields and both values, one per line: "status: legacy 'C', new 'captured'"
  std::string owner;

  friend bool operator==(const Finding&, const Finding&) = default;
};

// Whether a person who says "4711" or "payment_id=4711" means the key that is shown as "payment_id=4711".
inline bool names_key(std::string_view shown, std::string_view asked) {
  return shown == asked || shown.ends_with("=" + std::string(asked));
}

}  // namespace oxbow
