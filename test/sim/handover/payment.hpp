// What changes hands: the entity of payments, which is two tables, payments of accounts and their lines. Both
// are there in legacy's shape and in that of the new side, with the production mapping there and its inverse.
// On the new side the amount counts hundredths, so that not every amount can come back; only legacy demands
// that codes of payments are unique. Pure values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/mapping/mapping.hpp"
#include "model/change.hpp"
#include "model/cohort.hpp"
#include "model/course.hpp"

namespace oxbow::sim {

enum class PaymentTable : std::uint32_t { payments, lines };

inline constexpr std::array kPaymentTables = {PaymentTable::payments, PaymentTable::lines};

constexpr std::size_t index_of(PaymentTable table) {
  return static_cast<std::size_t>(table);
}

// The primary key, and whose it is.
struct RowKey {
  PaymentTable table = PaymentTable::payments;
  std::int64_t number = 0;

  friend auto operator<=>(const RowKey&, const RowKey&) = default;
};

// Of either table: they differ in what is unique.
struct PaymentRow {
  std::int64_t account = 0;  // the entity's key: decides the cohort
  std::int64_t amount = 0;   // in the unit of its side
  std::int64_t code = 0;     // 0: none
  std::string note;          // stored out of line: an UPDATE that leaves it alone does not log it

  friend bool operator==(const PaymentRow&, const PaymentRow&) = default;
};

using PaymentRows = std::map<RowKey, PaymentRow>;

// The same row as the other side has it; nothing: that side cannot represent it.
std::optional<PaymentRow> image(const PaymentRow& row, Side from, Side to);

std::string show(RowKey key);  // "payment 4711"
std::string show(const std::optional<PaymentRow>& row);

inline constexpr std::int64_t kAccounts = 12;
inline constexpr std::uint32_t kCohorts = 3;

CohortId cohort_of_account(std::int64_t account);
const CohortTable& payment_cohorts();
const TableMapping& mapping_of(PaymentTable table, Course course);
RelationId relation_id(PaymentTable table);
Relation relation_of(PaymentTable table, Side side);

// Whether no two rows of this table may have the same code there.
constexpr bool codes_are_unique(PaymentTable table, Side side) {
  return table == PaymentTable::payments && side == Side::legacy;
}

std::string tuple_of(std::int64_t number, const PaymentRow& row, bool note_unsent = false);
std::string key_tuple_of(std::int64_t number);
RowKey row_key(std::uint32_t table, std::string_view key_tuple);  // by the number of its mapping
std::int64_t number_in(std::string_view tuple);                   // also of a tuple that holds only the key
PaymentRow row_in(std::string_view tuple);

}  // namespace oxbow::sim
