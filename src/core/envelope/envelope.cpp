#include "core/envelope/envelope.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kDigestBytes = 12;

std::string no_comparison_sentence(const EnvelopeFacts& facts) {
  return fmt::format(
      "no row waits any more, and since then nobody has found both sides equal: run `oxbow verify --entity "
      "{}`",
      facts.scope.entity);
}

// Rows that waited when the two sides were compared had to differ. What differed beside them nobody can name.
std::uint64_t unexplained(const CohortLife& life) {
  if (!life.proof || life.proof->result != VerifyState::differs) return 0;
  return life.proof->divergences - std::min(life.proof->divergences, life.proof->rows_waiting);
}

void judge_extent(const EnvelopeFacts& facts, Envelope& envelope) {
  const auto& life = facts.life;
  const auto& stream = facts.stream_back;
  auto is = [&](Extent extent, std::string reason) {
    envelope.extent = extent;
    envelope.reason = std::move(reason);
  };
  if (authority(life.state) == Side::legacy) return;
  if (life.state == State::fully_cutover)
    return is(Extent::forward_only, "there is no way back from `fully-cutover`");
  if (stream.is_lost)
    return is(Extent::forward_only, fmt::format("the log between the new side and legacy is lost{}{}",
                                                stream.why_not.empty() ? "" : ": ", stream.why_not));
  if (auto away = why_away(stream); !away.empty()) return is(Extent::unknown, away);
  if (!stream.waiting)
    return is(Extent::unknown, "which rows wait in quarantine has not been read yet; ask again in a moment");
  envelope.rows = rows_of(*stream.waiting, facts.scope.entity, facts.cohort);
  if (!envelope.rows.empty())
    return is(Extent::partial, fmt::format("{} of the new side, which legacy does not have as {} there",
                                           counted(envelope.rows.size(), "row", "rows"),
                                           envelope.rows.size() == 1 ? "it is" : "they are"));
  if (life.narrowed) return is(Extent::partial, no_comparison_sentence(facts));
  if (auto rows = unexplained(life); rows > 0)
    return is(
        Extent::unknown,
        fmt::format("the last comparison found {} of {} that nobody expects; `oxbow findings` shows "
                    "them, and `oxbow verify --entity {}` looks again",
                    counted(rows, "divergence", "divergences"), facts.scope.entity, facts.scope.entity));
}

void predict_expiry(const EnvelopeFacts& facts, Envelope& envelope) {
  if (envelope.extent == Extent::forward_only || authority(facts.life.state) == Side::legacy) return;
  if (facts.deadline) {
    envelope.expires_at = WallTime(std::chrono::sys_days(*facts.deadline) + std::chrono::days(1));
    envelope.expires_by = "the deadline of the spec";
  }
  const auto& stream = facts.stream_back;
  if (stream.retained_bytes_per_second <= 0 || stream.retained_wal_bytes_max == 0) return;
  auto left =
      stream.retained_wal_bytes_max - std::min(stream.retained_wal_bytes_max, stream.retained_wal_bytes);
  auto seconds = std::chrono::duration<double>(static_cast<double>(left) / stream.retained_bytes_per_second);
  constexpr auto kSeen = std::chrono::hours(24 * 365);  // farther nobody can see
  if (seconds > kSeen) return;
  auto used_up = facts.now + std::chrono::duration_cast<WallTime::duration>(seconds);
  if (envelope.expires_at && *envelope.expires_at <= used_up) return;
  envelope.expires_at = used_up;
  envelope.expires_by = "the budget for the log of the new side, as it grows now";
}

std::string offers(const Scope& scope) {
  return fmt::format(
      "`oxbow rollback {0} --cohort {1} --to mirrored --preview` shows what would be lost; stay and mend "
      "(forward-fix), and read the rows again with `oxbow quarantine --retry KEY`, or give them up with ",
      scope.entity, scope.cohort);
}

}  // namespace

std::string why_away(const StreamBackFacts& facts) {
  auto because = facts.why_not.empty() ? "" : ": " + facts.why_not;
  if (facts.is_lost || facts.is_stopped) return "the stream back to legacy does not run" + because;
  if (!facts.legacy_not_ready.empty()) return "legacy cannot take traffic back: " + facts.legacy_not_ready;
  if (facts.silent_for <= kSilentMax) return "";
  return fmt::format("the stream back to legacy has not moved for {}{}", human_duration(facts.silent_for),
                     because);
}

RowsAtStake rows_of(const RowsAtStake& all, const std::string& entity, CohortId cohort) {
  RowsAtStake rows;
  for (const auto& row : all)
    if (row.entity == entity && row.cohort.value_or(cohort) == cohort) rows.push_back(row);
  return rows;
}

std::string digest_of(const RowsAtStake& rows) {
  std::vector<std::string> lines;
  for (const auto& row : rows) lines.push_back(row.table + '\n' + row.key + '\n');
  std::ranges::sort(lines);
  std::string all;
  for (const auto& line : lines) all += line;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  bool made = EVP_Digest(all.data(), all.size(), digest, &size, EVP_sha256(), nullptr) == 1;
  OXBOW_ASSERT(made && size >= kDigestBytes, "SHA-256 is not available");
  std::string text;
  for (std::size_t i = 0; i < kDigestBytes; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Envelope judge_envelope(const EnvelopeFacts& facts) {
  Envelope envelope;
  judge_extent(facts, envelope);
  predict_expiry(facts, envelope);
  if (facts.life.proof) envelope.checked_at = facts.life.proof->taken_at;
  return envelope;
}

Result<std::map<Scope, AcceptedLoss>> judge_rollback(const std::vector<ScopedEnvelope>& envelopes,
                                                     std::optional<std::uint64_t> accepted_rows) {
  std::map<Scope, AcceptedLoss> losses;
  std::uint64_t rows = 0;
  const Scope* narrow = nullptr;
  for (const auto& [scope, envelope] : envelopes) {
    if (envelope.extent == Extent::full) continue;
    if (envelope.extent != Extent::partial)
      return Err(
          ErrorCode::illegal_transition, "the envelope of {} is {}: {}{}", to_string(scope),
          name(envelope.extent), envelope.reason,
          envelope.extent == Extent::unknown
              ? "; so nobody can tell what a rollback would lose, and it is refused until that is known"
              : "; recovery goes forward only");
    narrow = &scope;
    rows += envelope.rows.size();
    losses[scope] = {envelope.rows.size(), digest_of(envelope.rows)};
    bool is_anybodys = std::ranges::any_of(envelope.rows, [](const RowAtStake& row) { return !row.cohort; });
    if (accepted_rows && is_anybodys)
      return Err(
          ErrorCode::illegal_transition,
          "rows of {} wait of which nobody can tell whose they are, so they cannot be given up for one "
          "cohort; mend them and run `oxbow quarantine --retry KEY`",
          scope.entity);
  }
  if (narrow == nullptr && accepted_rows.value_or(0) == 0) return losses;
  if (narrow == nullptr)
    return Err(ErrorCode::illegal_transition,
               "a rollback would lose nothing, and {} were to be given up; leave --accept-loss out",
               counted(*accepted_rows, "row", "rows"));
  if (accepted_rows == rows) return losses;
  if (accepted_rows)
    return Err(ErrorCode::illegal_transition,
               "a rollback would lose {}, and {} to be given up; look again: {}`--accept-loss {}`",
               counted(rows, "row", "rows"),
               *accepted_rows == 1 ? "1 row was" : fmt::format("{} rows were", *accepted_rows),
               offers(*narrow), rows);
  if (rows == 0)
    return Err(
        ErrorCode::illegal_transition,
        "rows of {} were missing on legacy, and nobody has compared since they were mended: run `oxbow "
        "verify --entity {}`, or say `--accept-loss 0`",
        to_string(*narrow), narrow->entity);
  return Err(ErrorCode::illegal_transition, "a rollback would lose {} of the new side; {}`--accept-loss {}`",
             counted(rows, "row", "rows"), offers(*narrow), rows);
}

}  // namespace oxbow
