#include "core/compare/range_digest.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

TEST(RangeDigest, DoesNotDependOnOrder) {
  RangeDigest a(7), b(7);
  for (auto row : {"one", "two", "three"}) a.add(row);
  for (auto row : {"three", "one", "two"}) b.add(row);
  EXPECT_EQ(a, b);
}

TEST(RangeDigest, EqualMistakesDoNotCancelAndDuplicatesShow) {
  RangeDigest none(7), twice(7), once(7);
  twice.add("x");
  twice.add("x");
  once.add("x");
  EXPECT_NE(none, twice);
  EXPECT_NE(once, twice);
}

TEST(RowComparison, TellsWhatIsMissingExtraAndDifferent) {
  RowComparison comparison;
  comparison.add_legacy("a", "1", "A");
  comparison.add_new("a", "1");
  comparison.add_legacy("b", "1", "B");
  comparison.add_new("b", "2");
  comparison.add_legacy("c", "1", "C");
  comparison.add_new("d", "1");
  auto found = comparison.differences();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].difference, Difference::value);
  EXPECT_EQ(found[0].source_key, "B");
  EXPECT_EQ(found[1].difference, Difference::missing_on_new);
  EXPECT_EQ(found[2].difference, Difference::extra_on_new);
}

TEST(RowComparison, CountsEqualRowsOnBothSides) {
  RowComparison comparison;
  for (int i = 0; i < 3; ++i) comparison.add_legacy("a", "a", "");
  comparison.add_new("a", "a");
  auto found = comparison.differences();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].legacy_rows, 3u);
  EXPECT_EQ(found[0].new_rows, 1u);
}

}  // namespace
}  // namespace oxbow
