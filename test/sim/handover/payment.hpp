// The table that changes hands: payments of accounts, in legacy's shape and in that of the new side, with the
// production mapping there and its inverse. On the new side the amount counts hundredths, so that not every
// amount can come back; only legacy demands that codes are unique. Pure values.
#pragma once

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

struct Payment {
  std::int64_t account = 0;  // the entity's key: decides the cohort
  std::int64_t amount = 0;   // in the unit of its side
  std::int64_t code = 0;     // unique on legacy; 0: none
  std::string note;          // stored out of line: an UPDATE that leaves it alone does not log it

  friend bool operator==(const Payment&, const Payment&) = default;
};

using Payments = std::map<std::int64_t, Payment>;  // by their number, the primary key

// The same payment as the other side has it; nothing: that side cannot represent it.
std::optional<Payment> image(const Payment& payment, Side from, Side to);

std::string show(const std::optional<Payment>& payment);

inline constexpr RelationId kPaymentRelation(4711);
inline constexpr std::int64_t kAccounts = 12;
inline constexpr std::uint32_t kCohorts = 3;

CohortId cohort_of_account(std::int64_t account);
const CohortTable& payment_cohorts();
const TableMapping& payment_mapping(Course course);
Relation payment_relation(Side side);

std::string tuple_of(std::int64_t number, const Payment& payment, bool note_unsent = false);
std::string key_tuple_of(std::int64_t number);
std::int64_t number_in(std::string_view tuple);  // also of a tuple that holds only the key
Payment payment_in(std::string_view tuple);

}  // namespace oxbow::sim
