#include "core/compare/shown_row.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

TEST(ShownRow, NamesAShortRowByAllOfItsColumns) {
  ShownRow row;
  row.add("page", "/x");
  row.add_null("at");
  EXPECT_EQ(row.to_string("bytes"), "page='/x', at=NULL");
}

TEST(ShownRow, TellsRowsApartThatLookAlikeOnceTheyAreCut) {
  ShownRow row;
  row.add("note", std::string(100, 'a'));
  EXPECT_NE(row.to_string("one"), row.to_string("two"));
  EXPECT_TRUE(row.to_string("one").starts_with("note='" + std::string(40, 'a') + "…' (row "));
  ShownRow image;
  image.add_unknown("image", 3);
  EXPECT_NE(image.to_string("abc"), image.to_string("abd"));
}

TEST(ShownRow, StaysALineForATableWithVeryManyColumns) {
  ShownRow row;
  for (int i = 0; i < 1600; ++i) row.add("column", "value");
  EXPECT_LT(row.to_string("x").size(), 600u);
  EXPECT_NE(row.to_string("x"), row.to_string("y"));
}

TEST(ShownValue, IsNeverCutInsideOfACharacter) {
  EXPECT_EQ(shown_value("äöü", 2), "'äö…'");
  EXPECT_EQ(shown_value("äöü", 3), "'äöü'");
}

}  // namespace
}  // namespace oxbow
