#include "core/envelope/envelope.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kDigestBytes = 12;
constexpr std::size_t kSeenDigits = 8;

std::string deadline_sentence(std::chrono::year_month_day deadline) {
  return fmt::format(
      "its deadline, {:04}-{:02}-{:02} (`rollback.deadline`), is over; whoever needs it all the same moves "
      "that date in the spec and starts `oxbow up` again",
      static_cast<int>(deadline.year()), static_cast<unsigned>(deadline.month()),
      static_cast<unsigned>(deadline.day()));
}

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

// The way back is kept open until the end of that day.
WallTime end_of(std::chrono::year_month_day deadline) {
  return WallTime(std::chrono::sys_days(deadline) + std::chrono::days(1));
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
  if (life.forward_only)
    return is(
        Extent::forward_only,
        fmt::format("it goes forward only, {}; `oxbow forward-fix {} --cohort {} --withdraw` takes that back",
                    to_string(*life.forward_only), facts.scope.entity, facts.scope.cohort));
  if (facts.deadline && facts.now >= end_of(*facts.deadline))
    return is(Extent::forward_only, deadline_sentence(*facts.deadline));
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
    envelope.expires_at = end_of(*facts.deadline);
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
      "them there, and read them again with `oxbow quarantine --retry KEY`; `oxbow forward-fix {0} --cohort "
      "{1}` says "
      "that it does not go back, `oxbow shadow {0} --off` that legacy is asked no more; or give the rows up "
      "with ",
      scope.entity, scope.cohort);
}

// The digest is left to the preview, so that nobody gives up what he has only counted.
std::string accepting(std::size_t rows) {
  return fmt::format("`--accept-loss {} --seen DIGEST`, as the preview says", rows);
}

}  // namespace

Status judge_deadline(const Scope& scope, std::optional<std::chrono::year_month_day> deadline, WallTime now) {
  if (!deadline || now < end_of(*deadline)) return {};
  return Err(ErrorCode::illegal_transition, "{} would have no way back on the new side: {}", to_string(scope),
             deadline_sentence(*deadline));
}

std::string why_away(const StreamBackFacts& facts) {
  auto because = facts.why_not.empty() ? "" : ": " + facts.why_not;
  if (facts.is_lost || facts.is_stopped) return "the stream back to legacy does not run" + because;
  if (!facts.legacy_not_ready.empty()) return "legacy cannot take traffic back: " + facts.legacy_not_ready;
  if (facts.silent_for <= kSilentMax) return "";
  return fmt::format("the stream back to legacy has not moved for {}{}", human_duration(facts.silent_for),
                     because);
}

std::string why_loss_is_unknown(const std::vector<ScopedEnvelope>& envelopes,
                                const StreamBackFacts& stream_back, const std::optional<Error>& unread) {
  auto is_unknown = [](const ScopedEnvelope& each) { return each.envelope.extent == Extent::unknown; };
  auto unknown = std::ranges::find_if(envelopes, is_unknown);
  if (envelopes.empty() || (unknown == envelopes.end() && !unread)) return "";
  const auto& [scope, envelope] = unknown == envelopes.end() ? envelopes.front() : *unknown;
  auto sentence = fmt::format("what a rollback of {} would lose is not known: {}", to_string(scope),
                              unknown == envelopes.end() ? unread->detail : envelope.reason);
  bool says_what_to_do = unknown != envelopes.end() && why_away(stream_back).empty();
  if (says_what_to_do) return sentence;
  if (stream_back.waiting) {
    auto rows = static_cast<std::uint64_t>(
        std::ranges::count(*stream_back.waiting, scope.entity, &RowAtStake::entity));
    sentence += fmt::format("; when that was last read, {} of {} waited that legacy does not take",
                            counted(rows, "row", "rows"), scope.entity);
  } else {
    sentence += "; since oxbow began nobody has read which rows wait that legacy does not take";
  }
  bool says_resume = sentence.contains("oxbow resume");
  if (stream_back.is_stopped)
    return sentence + (says_resume ? ", and ask again" : "; run `oxbow resume`, and ask again");
  return sentence + "; oxbow goes on trying, and `oxbow status` follows it: ask again when it runs";
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

std::string seen_of(const RowsAtStake& rows) {
  return digest_of(rows).substr(0, kSeenDigits);
}

Envelope judge_envelope(const EnvelopeFacts& facts) {
  Envelope envelope;
  judge_extent(facts, envelope);
  predict_expiry(facts, envelope);
  if (facts.life.proof) envelope.checked_at = facts.life.proof->taken_at;
  return envelope;
}

Result<std::map<Scope, AcceptedLoss>> judge_rollback(const std::vector<ScopedEnvelope>& envelopes,
                                                     std::optional<std::uint64_t> accepted_rows,
                                                     const std::optional<std::string>& seen) {
  std::map<Scope, AcceptedLoss> losses;
  RowsAtStake at_stake;
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
    std::ranges::copy(envelope.rows, std::back_inserter(at_stake));
    losses[scope] = {envelope.rows.size(), digest_of(envelope.rows)};
    bool is_anybodys = std::ranges::any_of(envelope.rows, [](const RowAtStake& row) { return !row.cohort; });
    if (accepted_rows && is_anybodys)
      return Err(
          ErrorCode::illegal_transition,
          "rows of {} wait of which nobody can tell whose they are, so they cannot be given up for one "
          "cohort; mend them and run `oxbow quarantine --retry KEY`",
          scope.entity);
  }
  auto rows = at_stake.size();
  if (narrow == nullptr && accepted_rows.value_or(0) == 0) return losses;
  if (narrow == nullptr)
    return Err(ErrorCode::illegal_transition,
               "a rollback would lose nothing, and {} were to be given up; leave --accept-loss out",
               counted(*accepted_rows, "row", "rows"));
  if (accepted_rows == rows && (rows == 0 || seen == seen_of(at_stake))) return losses;
  if (accepted_rows == rows)
    return Err(
        ErrorCode::illegal_transition, "a rollback would lose {}, and {}; look again: {}{}",
        counted(rows, "row", "rows"),
        seen ? "they are others than those that were seen" : "nobody has said which of them he has seen",
        offers(*narrow), accepting(rows));
  if (accepted_rows)
    return Err(ErrorCode::illegal_transition,
               "a rollback would lose {}, and {} to be given up; look again: {}{}",
               counted(rows, "row", "rows"),
               *accepted_rows == 1 ? "1 row was" : fmt::format("{} rows were", *accepted_rows),
               offers(*narrow), accepting(rows));
  if (rows == 0)
    return Err(
        ErrorCode::illegal_transition,
        "rows of {} were missing on legacy, and nobody has compared since they were mended: run `oxbow "
        "verify --entity {}`, or say `--accept-loss 0`",
        to_string(*narrow), narrow->entity);
  return Err(ErrorCode::illegal_transition, "a rollback would lose {} of the new side; {}{}",
             counted(rows, "row", "rows"), offers(*narrow), accepting(rows));
}

}  // namespace oxbow
