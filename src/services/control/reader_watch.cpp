#include "services/control/reader_watch.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::seconds(1);
constexpr Duration kLookThoroughlyEvery = std::chrono::seconds(5);

// A server counts what a session did up to ten seconds later.
constexpr Duration kCountsSettleWithin = std::chrono::seconds(15);
constexpr std::uint64_t kAll = 100'000;

std::string sentence_of(const ReaderSeen& reader, const std::string& entity) {
  auto table = to_string(reader.table);
  switch (reader.kind) {
    case ReaderKind::session:
      return fmt::format(
          "{} reads {}, although {} was cut over: it sees what was before, and loses its source when "
          "the table goes; have it read the new side",
          reader.who, table, entity);
    case ReaderKind::statement:
      return fmt::format("{} has run a statement on {}, although {} was cut over; have it read the new side",
                         reader.who, table, entity);
    case ReaderKind::scan:
      return fmt::format(
          "somebody has read {}, although {} was cut over; other findings of this kind may tell who", table,
          entity);
    case ReaderKind::lost_count:
      return fmt::format(
          "the legacy server has lost its counts of who reads {}, so nobody knows whether somebody did",
          table);
    case ReaderKind::slot:
      return fmt::format("{} decodes {}, although {} was cut over; its owner has to take the new side's log",
                         reader.who, table, entity);
    case ReaderKind::foreign_table:
    case ReaderKind::view:
      return fmt::format("{} shows {}, although {} was cut over; it has to go before the table does",
                         reader.who, table, entity);
  }
  return "";
}

Finding finding_of(const ReaderSeen& reader, const std::string& entity, const std::string& owner) {
  return {.kind = FindingKind::legacy_read,
          .entity = entity,
          .table = to_string(reader.table),
          .key = fmt::format("{}: {}", name(reader.kind), reader.who),
          .sentence = sentence_of(reader, entity),
          .detail = reader.detail,
          .owner = owner};
}

}  // namespace

// None: a cohort is elsewhere, or its tables are nobody's business any more.
std::optional<WallTime> ReaderWatch::cut_over_at(const std::string& entity) const {
  const auto& lifecycle = parts_.lifecycle();
  if (lifecycle.retired.contains(entity)) return std::nullopt;
  std::optional<WallTime> last;
  for (const auto& [scope, life] : lifecycle.cohorts) {
    if (scope.entity != entity) continue;
    if (life.state != State::fully_cutover || life.moving_to) return std::nullopt;
    last = std::max(last.value_or(life.since), life.since);
  }
  return last;
}

Task<void> ReaderWatch::run() {
  Instant thorough_at{};
  while (!co_await is_cancelled()) {
    CO_TRY(co_await sleep_for(kLookEvery));
    bool is_thorough = monotonic_now() >= thorough_at;
    if (is_thorough) thorough_at = monotonic_now() + kLookThoroughlyEvery;
    for (const auto& entity : parts_.spec.entities) {
      auto since = cut_over_at(entity.name);
      if (!since || parts_.now() - *since < kCountsSettleWithin) continue;
      co_await look(entity.name, DataPlane::ReaderLook::quick);
      if (is_thorough) co_await look(entity.name, DataPlane::ReaderLook::thorough);
    }
  }
  co_return Err(ErrorCode::cancelled);
}

Task<void> ReaderWatch::look(const std::string& entity, DataPlane::ReaderLook how) {
  auto found = co_await parts_.plane.look_for_readers(entity, how);
  if (!found && found.error().code == ErrorCode::cancelled) co_return std::unexpected(found.error());
  auto kept = found ? keep(entity, found->readers) : std::unexpected(found.error());
  auto& watch = watches_[entity];
  if (!kept) {
    if (watch.blind != kept.error())
      log_warn("readers of {} are not seen: {}", entity, to_string(kept.error()));
    watch.blind = kept.error();
    co_return Status{};
  }
  if (how == DataPlane::ReaderLook::quick) co_return Status{};  // which tells nothing of what failed
  watch.blind.reset();
  watch.counted_since = found->counted_since;
  co_return Status{};
}

Status ReaderWatch::keep(const std::string& entity, const std::vector<ReaderSeen>& readers) {
  std::vector<Finding> findings;
  for (const auto& reader : readers)
    findings.push_back(finding_of(reader, entity, parts_.spec.owners.legacy));
  auto now = parts_.now();
  TRY(parts_.findings.record_all(findings, now));
  FindingSelection quiet{
      .kind = FindingKind::legacy_read,
      .entity = entity,
      .seen_before = now - std::chrono::duration_cast<std::chrono::microseconds>(parts_.spec.quiet_for)};
  TRY(parts_.findings.close(quiet, fmt::format("not seen for {}", human_duration(parts_.spec.quiet_for)),
                            now));
  return {};
}

Result<RetirementFacts> ReaderWatch::facts(const std::string& entity) const {
  auto since = cut_over_at(entity);
  RetirementFacts facts{.entity = entity,
                        .cut_over_at = since.value_or(WallTime{}),
                        .quiet_for = parts_.spec.quiet_for,
                        .now = parts_.now()};
  auto watch = watches_.find(entity);
  bool has_looked = watch != watches_.end() && watch->second.counted_since;
  if (has_looked) facts.watched_since = *watch->second.counted_since;
  if (watch != watches_.end()) facts.blind = watch->second.blind;
  if (!has_looked && !facts.blind)
    facts.blind = Error{ErrorCode::incomplete, fmt::format("the first look comes {} behind the cutover",
                                                           human_duration(kCountsSettleWithin))};
  auto stored = TRY(
      parts_.findings.list_findings({.kind = FindingKind::legacy_read, .with_closed = true, .limit = kAll}));
  for (const auto& each : stored) {
    if (each.finding.entity != entity) continue;
    auto& readers = each.open ? facts.readers : facts.readers_before;
    readers.push_back({each.finding.key, each.finding.table, each.last_seen});
  }
  return facts;
}

}  // namespace oxbow
