#include "services/pipeline/part_watch.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

using Kind = PartChange::Kind;

// Between two of them only the age of what we know grows.
constexpr Duration kSaveEvery = std::chrono::seconds(30);

constexpr std::string_view kMirrorAnew =
    "the copy cannot follow that; roll every mirrored cohort of it back to `legacy` and advance it again";
constexpr std::string_view kVerify = "run `oxbow verify`, which tells whether rows are missing";

bool differ(const TableParts& a, const TableParts& b) {
  return a.oid != b.oid || !std::ranges::equal(a.parts, b.parts, [](const auto& x, const auto& y) {
           return x.oid == y.oid && x.parent == y.parent && x.file == y.file && x.linked_by == y.linked_by &&
                  x.columns == y.columns;
         });
}

// Ids of transactions wrap around.
bool lies_between(std::uint32_t xid, std::uint32_t first, std::uint32_t last) {
  return xid - first <= last - first;
}

std::vector<std::uint32_t> numbers_of(const Plan& plan, const TableName& legacy) {
  std::vector<std::uint32_t> numbers;
  for (const auto& table : plan.tables) {
    if (table.mapping.source == legacy) numbers.push_back(table.id);
  }
  return numbers;
}

}  // namespace

Task<void> PartWatch::begin(TargetAdmin& target) {
  for (auto& table : CO_TRY(co_await target.load_parts())) {
    auto name = table.table;
    known_.emplace(std::move(name), std::move(table));
  }
  co_return Status{};
}

Task<void> PartWatch::look(SourceAdmin& source, TargetAdmin& target,
                           std::function<bool(const TableName&)> is_copied) {
  auto seen = CO_TRY(co_await source.look_at_parts(parts_.context.plan.source_tables()));
  bool differs = false;
  found_new_parts_ = false;
  stops_because_.clear();
  for (auto& table : seen.tables) {
    auto before = known_.find(table.table);
    if (before != known_.end()) {
      found_new_parts_ = found_new_parts_ || std::ranges::any_of(table.parts, [&](const TablePart& part) {
                           return before->second.find(part.oid) == nullptr;
                         });
      if (is_copied(table.table)) CO_TRY(co_await compare(source, target, before->second, table, seen.at));
      differs = differs || differ(before->second, table);
      before->second = std::move(table);
    } else {
      differs = true;
      auto name = table.table;
      known_.emplace(std::move(name), std::move(table));
    }
  }
  CO_TRY(co_await save(target, differs));
  if (!stops_because_.empty()) co_return Err(ErrorCode::schema_drift, "{}", stops_because_);
  co_return Status{};
}

// What is not decided stays as it was known, and is asked again.
Task<void> PartWatch::compare(SourceAdmin& source, TargetAdmin& target, const TableParts& before,
                              TableParts& now, Lsn at) {
  bool all = all_replaced(before, now);
  for (const auto& change : part_changes(before, now)) {
    auto judgement = CO_TRY(co_await judge(source, target, change, all, now, at));
    if (judgement.verdict == Verdict::undecided) {
      std::ranges::replace_if(
          now.parts, [&](const TablePart& part) { return part.oid == change.part.oid; },
          *before.find(change.part.oid));
      continue;
    }
    waiting_.erase(change.part.oid);
    if (judgement.verdict != Verdict::harmless) tell(now.table, judgement);
    if (judgement.verdict == Verdict::lost_for_good) now = before;
  }
  co_return Status{};
}

Task<PartWatch::Judgement> PartWatch::judge(SourceAdmin& source, TargetAdmin& target,
                                            const PartChange& change, bool all_replaced,
                                            const TableParts& now, Lsn at) {
  auto name = to_string(change.part.name);
  switch (change.kind) {
    case Kind::made_anew:
      co_return Judgement{Verdict::lost_for_good, now.oid == 0
                                                      ? "the table is gone: it was dropped or renamed"
                                                      : "the table was made anew, or another took its name"};
    case Kind::gone:
      co_return Judgement{
          Verdict::lost, fmt::format("partition {} is gone with its rows: it was dropped or detached", name)};
    case Kind::attached:
      co_return co_await judge_attached(source, change);
    case Kind::linked_anew:
      co_return Judgement{Verdict::lost,
                          fmt::format("partition {} was detached and attached again, and the log does not "
                                      "tell what was written to it meanwhile",
                                      name)};
    case Kind::rewritten:
      co_return Judgement{Verdict::lost,
                          fmt::format("all rows of {} were written anew by an ALTER TABLE, and "
                                      "the log does not tell their new values",
                                      name)};
    case Kind::replaced:
      co_return co_await judge_replaced(source, target, change, all_replaced, now.table, at);
  }
  co_return Judgement{Verdict::harmless, {}};
}

Task<PartWatch::Judgement> PartWatch::judge_attached(SourceAdmin& source, const PartChange& change) {
  auto old = CO_TRY(co_await source.find_old_rows(change.part.name, change.since_xid, change.since_command));
  if (old == OldRows::none || old == OldRows::empty) co_return Judgement{Verdict::harmless, {}};
  co_return Judgement{Verdict::lost,
                      fmt::format("partition {} was attached with rows, which the log does not "
                                  "tell",
                                  to_string(change.part.name))};
}

// VACUUM FULL, CLUSTER and the like keep the rows, and rows keep the mark of who wrote them. A TRUNCATE of
// the whole table is in the log, where the stream may not have arrived yet.
Task<PartWatch::Judgement> PartWatch::judge_replaced(SourceAdmin& source, TargetAdmin& target,
                                                     const PartChange& change, bool all_replaced,
                                                     const TableName& table, Lsn at) {
  const auto& part = change.part;
  auto old = CO_TRY(co_await source.find_old_rows(part.name, change.since_xid, 0));
  if (old == OldRows::some) co_return Judgement{Verdict::harmless, {}};
  if (all_replaced) {
    auto& waiting = waiting_[part.oid];
    if (waiting.file != part.file) waiting = {part.file, at};
    if (parts_.status.applied < waiting.since) co_return Judgement{Verdict::undecided, {}};
    auto by = CO_TRY(co_await target.truncations_of(numbers_of(parts_.context.plan, table)));
    if (std::ranges::find(by, part.changed_by) != by.end()) co_return Judgement{Verdict::harmless, {}};
    // The mark of a transaction inside another is its own, and the log knows the outer one only.
    if (std::ranges::any_of(by,
                            [&](auto xid) { return lies_between(xid, change.since_xid, part.changed_by); }))
      co_return Judgement{
          Verdict::doubtful,
          fmt::format("partition {} was emptied, by the TRUNCATE of the whole table or by one "
                      "of its own",
                      to_string(part.name))};
  }
  if (old == OldRows::empty && part.counted)
    co_return Judgement{Verdict::doubtful,
                        fmt::format("partition {} has a new file and holds no rows: VACUUM "
                                    "FULL does that to an empty one, TRUNCATE to any",
                                    to_string(part.name))};
  co_return Judgement{Verdict::lost,
                      fmt::format("partition {} was emptied by TRUNCATE, which the log tells of "
                                  "whole tables only",
                                  to_string(part.name))};
}

void PartWatch::tell(const TableName& table, const Judgement& judgement) {
  bool is_lost = judgement.verdict != Verdict::doubtful;
  auto sentence = fmt::format("{} on the legacy side: {}; {}", to_string(table), judgement.what,
                              is_lost ? kMirrorAnew : kVerify);
  parts_.context.report({.kind = FindingKind::drift,
                         .entity = {},
                         .table = to_string(table),
                         .key = judgement.what,
                         .sentence = sentence,
                         .detail = {},
                         .owner = parts_.context.spec.owners.coexistence});
  bool stops = judgement.verdict == Verdict::lost_for_good ||
               (is_lost && parts_.context.spec.limits.on_ddl == OnDdl::pause);
  if (stops && stops_because_.empty()) stops_because_ = std::move(sentence);
}

Task<void> PartWatch::save(TargetAdmin& target, bool differs) {
  auto now = monotonic_now();
  if (!differs && now - saved_at_ < kSaveEvery) co_return Status{};
  std::vector<TableParts> tables;
  for (const auto& [name, table] : known_) tables.push_back(table);
  CO_TRY(co_await target.save_parts(std::move(tables)));
  saved_at_ = now;
  co_return Status{};
}

}  // namespace oxbow
