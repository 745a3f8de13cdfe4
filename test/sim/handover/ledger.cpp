#include "sim/handover/ledger.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace oxbow::sim {
namespace {

std::optional<PaymentRow> row_of(const SideStore& store, RowKey key) {
  auto at = store.rows().find(key);
  return at == store.rows().end() ? std::nullopt : std::optional(at->second);
}

// Whether another row there has the code that this one must have.
bool clashes(const SideStore& store, RowKey key, const PaymentRow& expected) {
  if (!codes_are_unique(key.table, store.side()) || expected.code == 0) return false;
  return std::ranges::any_of(store.rows(), [&](const auto& row) {
    return row.first.table == key.table && row.first != key && row.second.code == expected.code;
  });
}

}  // namespace

Ledger::Ledger(const PaymentRows& legacy_rows) {
  for (const auto& [key, row] : legacy_rows) {
    rows_[key] = {Side::legacy, row};
    numbered_.insert(key);
  }
}

void Ledger::wrong(std::string what) {
  if (wrong_.empty()) wrong_ = std::move(what);
}

void Ledger::number_used(RowKey key, Side side) {
  if (!numbered_.insert(key).second)
    wrong(fmt::format("the number of {} is used for a second time, on {}", show(key), name(side)));
}

const Ledger::Truth* Ledger::find(RowKey key) const {
  auto at = rows_.find(key);
  return at == rows_.end() ? nullptr : &at->second;
}

void Ledger::user_commits(const SideStore& store, Xid xid, const Journal& journal) {
  auto side = store.side();
  for (const auto& [key, before, after] : store.changes_of(xid)) {
    if (!before && !after) continue;
    auto account = after ? after->account : before->account;
    if (journal[cohort_of_account(account)].home != side)
      wrong(fmt::format("{} is written on {}, which is not its home", show(key), name(side)));
    const auto* truth = find(key);
    auto expected = truth ? image(truth->row, truth->side, side) : std::nullopt;
    if (before != expected)
      wrong(fmt::format("a writer on {} meets {} with {}, and it was left with {}", name(side), show(key),
                        show(before), show(expected)));
    if (after) {
      rows_.insert_or_assign(key, Truth{side, *after});
    } else {
      rows_.erase(key);
      removed_.insert(key);
    }
  }
}

void Ledger::check_at_rest(const SideStore& legacy, const SideStore& new_side, const Journal& journal,
                           const std::set<RowKey>& rogue) {
  std::set<RowKey> keys;
  for (const auto& [key, truth] : rows_) keys.insert(key);
  for (const auto* store : {&legacy, &new_side})
    for (const auto& [key, row] : store->rows()) keys.insert(key);
  for (auto key : keys) {
    const auto* truth = find(key);
    auto side_of_home = truth ? journal[cohort_of_account(truth->row.account)].home : Side::legacy;
    for (const auto* store : {&legacy, &new_side}) {
      auto side = store->side();
      auto expected = truth ? image(truth->row, truth->side, side) : std::nullopt;
      auto row = row_of(*store, key);
      bool waits = truth && side != side_of_home && store->stream_here().quarantine.contains(key);
      bool has_reason = truth && (!expected || clashes(*store, key, *expected));
      if (waits && has_reason) continue;
      if (side != side_of_home && rogue.contains(key)) continue;
      if (row == expected && !waits) continue;
      if (row && !truth && removed_.contains(key))
        return wrong(fmt::format("{} was removed and is back on {}", show(key), name(side)));
      return wrong(fmt::format("{} is {} on {}, and must be {}{}", show(key), show(row), name(side),
                               show(expected), waits ? "; it waits in quarantine without a reason" : ""));
    }
  }
}

}  // namespace oxbow::sim
