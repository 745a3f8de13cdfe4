#include "sim/handover/ledger.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace oxbow::sim {
namespace {

std::optional<Payment> row_of(const SideStore& store, std::int64_t number) {
  auto at = store.rows().find(number);
  return at == store.rows().end() ? std::nullopt : std::optional(at->second);
}

bool has_code(const SideStore& store, std::int64_t code, std::int64_t except) {
  return std::ranges::any_of(store.rows(),
                             [&](const auto& row) { return row.first != except && row.second.code == code; });
}

}  // namespace

Ledger::Ledger(const Payments& legacy_rows) {
  for (const auto& [number, payment] : legacy_rows) {
    payments_[number] = {Side::legacy, payment};
    numbers_.insert(number);
  }
}

void Ledger::wrong(std::string what) {
  if (wrong_.empty()) wrong_ = std::move(what);
}

void Ledger::number_used(std::int64_t number, Side side) {
  if (!numbers_.insert(number).second)
    wrong(fmt::format("number {} is used for a second time, on {}", number, name(side)));
}

const Ledger::Truth* Ledger::find(std::int64_t number) const {
  auto at = payments_.find(number);
  return at == payments_.end() ? nullptr : &at->second;
}

void Ledger::user_commits(const SideStore& store, Xid xid, const Journal& journal) {
  auto side = store.side();
  for (const auto& [number, before, after] : store.changes_of(xid)) {
    if (!before && !after) continue;
    auto account = after ? after->account : before->account;
    if (journal[cohort_of_account(account)].home != side)
      wrong(fmt::format("payment {} is written on {}, which is not its home", number, name(side)));
    const auto* truth = find(number);
    auto expected = truth ? image(truth->payment, truth->side, side) : std::nullopt;
    if (before != expected)
      wrong(fmt::format("a writer on {} meets payment {} with {}, and it was left with {}", name(side),
                        number, show(before), show(expected)));
    if (after) {
      payments_.insert_or_assign(number, Truth{side, *after});
    } else {
      payments_.erase(number);
      removed_.insert(number);
    }
  }
}

void Ledger::check_at_rest(const SideStore& legacy, const SideStore& new_side, const Journal& journal,
                           const std::set<std::int64_t>& rogue) {
  std::set<std::int64_t> numbers;
  for (const auto& [number, truth] : payments_) numbers.insert(number);
  for (const auto* store : {&legacy, &new_side})
    for (const auto& [number, row] : store->rows()) numbers.insert(number);
  for (auto number : numbers) {
    const auto* truth = find(number);
    auto side_of_home = truth ? journal[cohort_of_account(truth->payment.account)].home : Side::legacy;
    for (const auto* store : {&legacy, &new_side}) {
      auto side = store->side();
      auto expected = truth ? image(truth->payment, truth->side, side) : std::nullopt;
      auto row = row_of(*store, number);
      bool waits =
          truth && side != side_of_home && store->stream_here().quarantine.contains(key_tuple_of(number));
      bool has_reason = truth && (!expected || (side == Side::legacy && expected->code != 0 &&
                                                has_code(*store, expected->code, number)));
      if (waits && has_reason) continue;
      if (side != side_of_home && rogue.contains(number)) continue;
      if (row == expected && !waits) continue;
      if (row && !truth && removed_.contains(number))
        return wrong(fmt::format("payment {} was removed and is back on {}", number, name(side)));
      return wrong(fmt::format("payment {} is {} on {}, and must be {}{}", number, show(row), name(side),
                               show(expected), waits ? "; it waits in quarantine without a reason" : ""));
    }
  }
}

}  // namespace oxbow::sim
