#include "core/mapping/sql_words.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

TEST(SqlWords, FindsNamesAsTheDatabaseFoldsThem) {
  EXPECT_THAT(possible_column_names("Amount * 100 + \"Größe \"\"x\"\"\""),
              UnorderedElementsAre("amount", "Größe \"x\""));
  EXPECT_THAT(possible_column_names("legacy.amount$1 + größe"),
              UnorderedElementsAre("legacy", "amount$1", "größe"));
}

TEST(SqlWords, PassesOverStringsAndComments) {
  EXPECT_THAT(possible_column_names("a || 'b ''c' || E'd\\' e' || $$f$$ || $x$ g $$ $x$"),
              UnorderedElementsAre("a"));
  EXPECT_THAT(possible_column_names("a -- b\n + /* c */ d"), UnorderedElementsAre("a", "d"));
  EXPECT_THAT(possible_column_names("'never closed"), UnorderedElementsAre());
  EXPECT_THAT(possible_column_names("\"never closed"), UnorderedElementsAre("never close"));
}

TEST(SqlWords, PassesOverFunctionsAndCasts) {
  EXPECT_THAT(possible_column_names("date(a)::date + round (b) :: \"numeric\""),
              UnorderedElementsAre("a", "b"));
  EXPECT_THAT(possible_column_names("$1 + 12e3"), UnorderedElementsAre());
}

TEST(SqlWords, TakesKeywordsForNames) {
  EXPECT_THAT(possible_column_names("CASE WHEN a IS NULL THEN b END"), IsSupersetOf({"a", "b"}));
}

}  // namespace
}  // namespace oxbow
