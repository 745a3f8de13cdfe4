// What a rollback of one cohort would lose at this moment. Computed from facts alone; what is not known is
// never taken for good, and what was narrowed once gets wide again only by a comparison.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/envelope/stream_back_facts.hpp"
#include "core/lifecycle/state.hpp"

namespace oxbow {

// `partial`: all but the rows that are named. `forward_only`: there is no way back. `unknown`: the stream
// back is away, so nobody can tell.
enum class Extent { full, partial, forward_only, unknown };

inline constexpr std::array kExtentNames = {std::string_view("full"), std::string_view("partial"),
                                            std::string_view("forward-only"), std::string_view("unknown")};

constexpr std::string_view name(Extent extent) {
  return kExtentNames[static_cast<std::size_t>(extent)];
}

struct Envelope {
  Extent extent = Extent::full;
  RowsAtStake rows;                    // of `partial`; none: they were mended, and nobody has compared since
  std::string reason;                  // of everything but `full`: one sentence
  std::optional<WallTime> expires_at;  // predicted, and by what
  std::string expires_by;
  std::optional<WallTime> checked_at;  // when both sides were last compared

  friend bool operator==(const Envelope&, const Envelope&) = default;
};

struct EnvelopeFacts {
  Scope scope;
  CohortId cohort;
  const CohortLife& life;
  const StreamBackFacts& stream_back;
  std::optional<std::chrono::year_month_day> deadline;  // until the end of which the way back is kept open
  WallTime now;
};

Envelope judge_envelope(const EnvelopeFacts& facts);

// Rows of one cohort; rows of which nobody can tell whose they are count for each cohort of the entity.
RowsAtStake rows_of(const RowsAtStake& all, const std::string& entity, CohortId cohort);

// Tells these rows from all others, whatever their order.
std::string digest_of(const RowsAtStake& rows);

// What may be given up of these rows: `illegal_transition` if a rollback loses other rows than the operator
// has seen, or rows that may be somebody else's.
struct ScopedEnvelope {
  Scope scope;
  Envelope envelope;
};
Result<std::map<Scope, AcceptedLoss>> judge_rollback(const std::vector<ScopedEnvelope>& envelopes,
                                                     std::optional<std::uint64_t> accepted_rows);

}  // namespace oxbow
