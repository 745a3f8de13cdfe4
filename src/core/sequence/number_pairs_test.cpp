#include "core/sequence/number_pairs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const TableName kOld{"public", "payments"}, kNew{"ledger", "payment"};

// payments.id becomes payment.id; payments.amount becomes payment.minor, times 100.
TableMapping mapping() {
  TableMapping mapping;
  mapping.source = kOld;
  mapping.source_columns = {"id", "amount"};
  mapping.target.name = kNew;
  mapping.target.columns = {{.name = "id"}, {.name = "minor"}};
  mapping.programs = {
      {.column = "id", .reads = {0}, .step = ConvertField{{.step = Conversion::Step::integer}}},
      {.column = "minor", .reads = {1}, .step = ScaleField{}}};
  return mapping;
}

NumberedColumn numbered(TableName table, std::string column, std::int64_t up_to = 1'000'000'000) {
  return {.table = std::move(table), .column = std::move(column), .largest_possible = up_to};
}

TEST(NumberPairs, AreColumnsThatKeepTheirNumbersAndAreNumberedOnEitherSide) {
  auto pairs = pair_numbers(mapping(), {numbered(kOld, "id")}, {numbered(kNew, "id")});
  ASSERT_THAT(pairs, SizeIs(1));
  EXPECT_TRUE(pairs[0].legacy && pairs[0].new_side);
  auto of_one_side = pair_numbers(mapping(), {}, {numbered(kNew, "id")});
  ASSERT_THAT(of_one_side, SizeIs(1));
  EXPECT_EQ(of_one_side[0].without_sequence, (NumberedColumn{.table = kOld, .column = "id"}));
  auto of_the_other = pair_numbers(mapping(), {numbered(kOld, "id")}, {});
  EXPECT_EQ(of_the_other[0].without_sequence, (NumberedColumn{.table = kNew, .column = "id"}));
  EXPECT_THAT(pair_numbers(mapping(), {}, {}), IsEmpty());
}

TEST(NumberPairs, LeaveOutWhatIsCarriedInAnotherForm) {
  EXPECT_THAT(pair_numbers(mapping(), {numbered(kOld, "amount")}, {numbered(kNew, "minor")}), IsEmpty());
}

TEST(NumberPairs, AreWarnedOfWhereNobodyKnowsWhatNumbersOneSide) {
  auto items = judge_numbers(pair_numbers(mapping(), {}, {numbered(kNew, "id")}));
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_EQ(items[0].verdict, PreflightItem::Verdict::warning);
  EXPECT_EQ(items[0].side, Side::legacy);
  EXPECT_THAT(items[0].sentence, HasSubstr("public.payments.id has no sequence, and ledger.payment.id is"));
}

TEST(NumberPairs, AreWarnedOfWhereNumbersRunOutOrAHandoverWouldFindNone) {
  EXPECT_THAT(judge_numbers({{numbered(kOld, "id"), numbered(kNew, "id")}}), IsEmpty());
  auto few = judge_numbers({{numbered(kOld, "id", 32767), numbered(kNew, "id")}});
  ASSERT_THAT(few, SizeIs(2)) << "numbers for rows run out, too";
  EXPECT_EQ(few[1].verdict, PreflightItem::Verdict::warning);
  EXPECT_THAT(few[1].sentence, HasSubstr("public.payments.id and ledger.payment.id have numbers for 8 more"));
  auto full = numbered(kOld, "id");
  full.last_given = 999'999'990;
  auto items = judge_numbers({{full, numbered(kNew, "id")}});
  ASSERT_THAT(items, SizeIs(2));
  EXPECT_THAT(items[0].sentence, HasSubstr("public.payments.id has numbers for 10 more rows"));
  EXPECT_THAT(items[1].sentence, HasSubstr("a later handover does not: ledger.payment.id can be numbered"));
}

}  // namespace
}  // namespace oxbow
