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

// `partial`: all but the rows that are named. `forward_only`: there is no way back, or its time is over.
// `unknown`: the stream back is away, so nobody can tell.
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

struct ScopedEnvelope {
  Scope scope;
  Envelope envelope;
};

// Why nobody can tell at this moment what a rollback of these cohorts would lose, what is known all the same,
// and what to do, in one sentence; empty: it is known. `unread`: why their rows could not be looked at.
std::string why_loss_is_unknown(const std::vector<ScopedEnvelope>& envelopes,
                                const StreamBackFacts& stream_back, const std::optional<Error>& unread);

// Whether a cohort may still move to the new side: `illegal_transition` where the time for going back is
// over.
Status judge_deadline(const Scope& scope, std::optional<std::chrono::year_month_day> deadline, WallTime now);

// Rows of one cohort; rows of which nobody can tell whose they are count for each cohort of the entity.
RowsAtStake rows_of(const RowsAtStake& all, const std::string& entity, CohortId cohort);

// Tells these rows from all others, whatever their order.
std::string digest_of(const RowsAtStake& rows);

// The same, short enough to be typed: what a preview prints below the rows that it shows.
std::string seen_of(const RowsAtStake& rows);

// What may be given up of these rows: `illegal_transition` if a rollback loses other rows than the operator
// has seen, or rows that may be somebody else's.
Result<std::map<Scope, AcceptedLoss>> judge_rollback(const std::vector<ScopedEnvelope>& envelopes,
                                                     std::optional<std::uint64_t> accepted_rows,
                                                     const std::optional<std::string>& seen = {});

}  // namespace oxbow
