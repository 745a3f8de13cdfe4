#include "services/pipeline/rows_at_stake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/mapping/row_cohort.hpp"
#include "model/tuple.hpp"
#include "support/catalog_builder.hpp"

namespace oxbow {
namespace {

using namespace build;
using testing::ElementsAre;
using testing::SizeIs;

std::string number(std::int64_t value) {
  std::string bytes;
  append_big_endian(bytes, value);
  return bytes;
}

// Payments by their own key, of customers, who are in two cohorts: customer 1 alone, and all others.
class RowsThatWait : public testing::Test {
 protected:
  RowsThatWait() {
    spec.migration = "pay";
    EntitySpec entity{.name = "customer",
                      .key = "customer_id",
                      .cohorts = {{.name = "pilot", .keys = {"1"}}, {.name = "rest", .rest = true}}};
    entity.tables.push_back({.legacy = {"public", "payments"}, .new_side = {"ledger", "payment"}});
    spec.entities.push_back(std::move(entity));
    there = make_plan(spec, legacy, fresh);
    if (there) back = make_plan_back(spec, *there);
  }

  static Table payments(std::string schema, std::string name) {
    return with_primary_key(table(std::move(schema), std::move(name),
                                  {not_null("payment_id", int8()), not_null("customer_id", int8())}),
                            {"payment_id"});
  }

  QuarantineRecord record(std::int64_t payment, std::optional<std::int64_t> customer, std::string reason) {
    auto key = number(payment), owner = number(customer.value_or(0));
    std::vector<Field> fields{Field::value(key), customer ? Field::value(owner) : Field::unsent()};
    std::vector<Field> of_key{Field::value(key)};
    return {.table = 0,
            .key = "payment_id=" + std::to_string(payment),
            .key_tuple = make_tuple_bytes(of_key),
            .reason = std::move(reason),
            .sqlstate = {},
            .row = make_tuple_bytes(fields)};
  }

  Spec spec;
  Catalog legacy = catalog("billing", {payments("public", "payments")});
  Catalog fresh = catalog("ledger", {payments("ledger", "payment")});
  Result<Plan> there = Err(ErrorCode::internal, "");
  Result<Plan> back = Err(ErrorCode::internal, "");
};

TEST_F(RowsThatWait, AreOneForEachKeyWithTheFirstReason) {
  ASSERT_TRUE(back) << to_string(back.error());
  auto rows =
      rows_at_stake(*back, {record(7, 1, "no value"), record(7, 1, "behind"), record(8, 5, "too large")});
  EXPECT_THAT(
      rows, ElementsAre(RowAtStake{"customer", CohortId(0), "ledger.payment", "payment_id=7", "no value"},
                        RowAtStake{"customer", CohortId(1), "ledger.payment", "payment_id=8", "too large"}));
}

TEST_F(RowsThatWait, BelongToWhomAnyOfTheirChangesNames) {
  ASSERT_TRUE(back) << to_string(back.error());
  std::vector records{record(7, std::nullopt, "no"), record(7, 1, "behind"), record(9, std::nullopt, "no")};
  auto rows = rows_at_stake(*back, records);
  EXPECT_EQ(rows[0].cohort, CohortId(0));
  EXPECT_EQ(rows[1].cohort, std::nullopt);
  EXPECT_THAT(records_of(*back, records, "customer", CohortId(0)), SizeIs(3));
  EXPECT_THAT(records_of(*back, records, "customer", CohortId(1)), SizeIs(1)) << "which may be anybody's";
  EXPECT_THAT(records_of(*back, records, "order", CohortId(0)), SizeIs(0));
}

TEST_F(RowsThatWait, AreGivenUpAsKeysOfLegacyThatTellTheirCohort) {
  ASSERT_TRUE(back) << to_string(back.error());
  auto to_read = given_up(*there, *back, {record(7, 1, "no value"), record(7, 1, "behind")});
  ASSERT_TRUE(to_read) << to_string(to_read.error());
  ASSERT_THAT(*to_read, SizeIs(1));
  const auto& row = to_read->front();
  EXPECT_EQ(row.key, "payment_id=7");
  EXPECT_EQ(row.key_tuple, record(7, 1, "").key_tuple);
  EXPECT_EQ(row.reason, kGivenUp);
  const auto& table = there->tables[0];
  EXPECT_EQ(cohort_of_row(table.mapping, *table.cohorts, row.row).value(), CohortId(0));
}

TEST_F(RowsThatWait, CannotBeGivenUpWhereNothingTellsOneFromTheOther) {
  ASSERT_TRUE(there);
  there->tables[0].mapping.source_key.clear();
  EXPECT_EQ(given_up(*there, *back, {record(7, 1, "no")}).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace oxbow
