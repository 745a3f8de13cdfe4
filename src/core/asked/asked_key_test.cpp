#include "core/asked/asked_key.hpp"

#include <gmock/gmock.h>

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const KeyNames kOrders{{"order_id"}, {"id"}, "order_id", "id"};
const KeyNames kLines{{"order_id", "line_no"}, {"purchase_id", "pos"}, "order_id", "purchase_id"};
const KeyNames kVisits{{"visit_id"}, {"id"}, "customer_id", "customer_id"};

AskedKey asked(std::string_view text) {
  return AskedKey::parse(text, {kOrders, kLines, kVisits});
}

TEST(AskedKey, AValueIsTheKeyOfAnEntityOnEitherSide) {
  EXPECT_TRUE(asked("7599").means("order_id=7599", kOrders));
  EXPECT_TRUE(asked("7599").means("order_id=7599, line_no=1", kLines));
  EXPECT_TRUE(asked("7599").means("purchase_id=7599, pos=1", kLines));
  EXPECT_TRUE(asked("5").means("visit_id=5", kVisits));
}

TEST(AskedKey, AValueIsNoOtherColumnOfAKey) {
  EXPECT_FALSE(asked("11").means("purchase_id=7599, pos=11", kLines));
  EXPECT_FALSE(asked("11").means("order_id=7599, line_no=11", kLines));
  EXPECT_FALSE(asked("99").means("order_id=7599", kOrders));
}

TEST(AskedKey, AColumnMayBeNamedAsEitherSideDoes) {
  for (const auto* text : {"order_id=7599, line_no=1", "purchase_id=7599, pos=1", "line_no=1", "pos=1",
                           "pos=1, order_id=7599", "order_id=7599"}) {
    EXPECT_TRUE(asked(text).means("order_id=7599, line_no=1", kLines)) << text;
    EXPECT_TRUE(asked(text).means("purchase_id=7599, pos=1", kLines)) << text;
    EXPECT_FALSE(asked(text).means("purchase_id=8, pos=8", kLines)) << text;
  }
  EXPECT_FALSE(asked("line_no=1").means("order_id=1", kOrders)) << "it has no such column";
}

TEST(AskedKey, ValuesMayHoldWhatStandsBetweenColumns) {
  const KeyNames names{{"sku", "shop"}, {"sku", "shop"}, "sku", "sku"};
  auto key = AskedKey::parse("sku=a, b=c, shop=x", {names});
  EXPECT_TRUE(key.means("sku=a, b=c, shop=x", names));
  EXPECT_FALSE(key.means("sku=a, shop=x", names));
  EXPECT_TRUE(AskedKey::parse("a=b", {names}).means("sku=a=b, shop=x", names));
}

TEST(AskedKey, ARowIsMeantByTheColumnsItHas) {
  EXPECT_TRUE(asked("7").means_row({{"customer_id", "7"}, {"id", "1"}}, kVisits));
  EXPECT_TRUE(asked("1").means_row({{"customer_id", "7"}, {"id", "1"}}, kVisits));
  EXPECT_FALSE(asked("1").means_row({{"page", "1"}, {"id", "2"}}, kVisits));
}

TEST(AskedKey, ATableIsSearchedOnlyByTheFirstColumnsOfItsKey) {
  EXPECT_THAT(asked("7").leading_values(kLines), ElementsAre("7"));
  EXPECT_THAT(asked("pos=2, order_id=7").leading_values(kLines), ElementsAre("7", "2"));
  EXPECT_THAT(asked("pos=2").leading_values(kLines), IsEmpty());
  EXPECT_THAT(asked("pos=2, order_id=7").leading_values(kOrders), IsEmpty());
}

}  // namespace
}  // namespace oxbow
