#include "core/spec/match.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/catalog_builder.hpp"

namespace oxbow {
namespace {

using namespace build;
using testing::ElementsAre;

TEST(NormalisedName, ForgetsCaseSeparatorsAndPlurals) {
  EXPECT_EQ(normalised_name("PaymentItems"), "payment item");
  EXPECT_EQ(normalised_name("payment_items"), "payment item");
  EXPECT_EQ(normalised_name("COUNTRIES"), "country");
  EXPECT_EQ(normalised_name("addresses"), "address");
  EXPECT_EQ(normalised_name("status"), "status");
  EXPECT_EQ(normalised_name("boxes"), "box");
  EXPECT_EQ(normalised_name("bus"), "bus");
}

std::vector<std::string> pairs(const TableMatches& matches) {
  std::vector<std::string> out;
  for (const auto& match : matches.tables)
    out.push_back(match.legacy->name.name + " " + (match.new_side ? to_string(match.new_side->name) : "?"));
  return out;
}

TEST(MatchTables, PrefersTheSameNameOverTheSameWord) {
  auto legacy =
      catalog("l", {table("public", "payments", {}), table("public", "user", {}), table("public", "x", {})});
  auto fresh = catalog("n", {table("a", "payment", {}), table("b", "payments", {}), table("a", "Users", {})});
  EXPECT_THAT(pairs(match_tables(legacy, fresh)), ElementsAre("payments b.payments", "user a.Users", "x ?"));
}

TEST(MatchTables, LeavesTwoCandidatesToAPerson) {
  auto legacy = catalog("l", {table("public", "payments", {})});
  auto fresh = catalog("n", {table("a", "payment", {}), table("b", "payment", {})});
  auto matches = match_tables(legacy, fresh);
  EXPECT_EQ(matches.tables[0].new_side, nullptr);
  EXPECT_EQ(matches.tables[0].candidates.size(), 2u);
  EXPECT_TRUE(matches.unfed.empty());
}

TEST(MatchTables, LeavesTwoRivalsToAPerson) {
  auto legacy = catalog("l", {table("public", "payment", {}), table("public", "payments", {})});
  auto fresh = catalog("n", {table("a", "Payment", {})});
  EXPECT_THAT(pairs(match_tables(legacy, fresh)), ElementsAre("payment ?", "payments ?"));
}

TEST(MatchTables, ForgetsAFirstWordThatAllTablesShare) {
  auto legacy = catalog("l", {table("public", "shop_orders", {}), table("public", "shop_users", {})});
  auto fresh = catalog("n", {table("app", "order", {}), table("app", "user", {})});
  EXPECT_THAT(pairs(match_tables(legacy, fresh)),
              ElementsAre("shop_orders app.order", "shop_users app.user"));
  legacy.tables.emplace(TableName{"public", "audit"}, table("public", "audit", {}));
  EXPECT_THAT(pairs(match_tables(legacy, fresh)), ElementsAre("audit ?", "shop_orders ?", "shop_users ?"));
}

TEST(MatchTables, LeavesOutPartitionsAndOurOwnSchema) {
  auto part = table("public", "events_2027", {});
  part.is_partition = true;
  auto legacy = catalog("l", {table("public", "events", {}), part, table("oxbow", "ranges", {})});
  auto fresh = catalog("n", {table("public", "events", {}), table("public", "other", {})});
  auto matches = match_tables(legacy, fresh);
  EXPECT_THAT(pairs(matches), ElementsAre("events public.events"));
  ASSERT_EQ(matches.unfed.size(), 1u);
  EXPECT_EQ(matches.unfed[0]->name.name, "other");
}

TEST(MatchColumns, KnowsTheTablesNameInFront) {
  auto legacy =
      table("public", "payments",
            {column("payment_id", int8()), column("customerId", int8()), column("note", build::text())});
  auto fresh =
      table("ledger", "payment",
            {column("id", int8()), column("customer_id", int8()), column("currency", build::text())});
  auto matches = match_columns(legacy, fresh);
  EXPECT_EQ(matches.columns[0].new_side, &fresh.columns[0]);
  EXPECT_EQ(matches.columns[1].new_side, &fresh.columns[1]);
  EXPECT_EQ(matches.columns[2].new_side, nullptr);
  EXPECT_THAT(matches.unfed, ElementsAre(&fresh.columns[2]));
}

TEST(MatchColumns, LeavesTwoRivalsToAPerson) {
  auto legacy = table("public", "t", {column("user_id", int8()), column("userId", int8())});
  auto fresh = table("public", "t", {column("UserID", int8())});
  auto matches = match_columns(legacy, fresh);
  EXPECT_EQ(matches.columns[0].new_side, nullptr);
  EXPECT_EQ(matches.columns[1].new_side, nullptr);
}

}  // namespace
}  // namespace oxbow
