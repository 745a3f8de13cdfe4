#include "core/spec/scalars.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Optional;

TEST(Scalars, DurationsCarryAUnit) {
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("15m"), 15min);
  EXPECT_EQ(parse_duration("90d"), 90 * 24h);
  for (auto bad : {"", "15", "m", "1.5s", "-1s", "15 m", "15M", "99999999999999999999s", "200000d"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Scalars, SizesCountAsPostgresDoes) {
  EXPECT_EQ(parse_size("50MB"), 50ull << 20);
  EXPECT_EQ(parse_size("1kB"), 1024u);
  EXPECT_EQ(parse_size("7B"), 7u);
  for (auto bad : {"", "10", "10GiB", "MB", "9999999TB0", "99999999999TB"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Scalars, SlicesAreWholeBuckets) {
  EXPECT_EQ(parse_buckets("1"), 100u);
  EXPECT_EQ(parse_buckets("0.5%"), 50u);
  EXPECT_EQ(parse_buckets("0.01"), 1u);
  EXPECT_EQ(parse_buckets("100%"), 10'000u);
  EXPECT_EQ(parse_buckets("12.34"), 1234u);
  for (auto bad : {"0", "0.001", "100.01", "-1", "1e1", ".5", "5.", "%", ""})
    EXPECT_FALSE(parse_buckets(bad)) << bad;
}

TEST(Scalars, PercentagesGoToHundred) {
  EXPECT_DOUBLE_EQ(*parse_percent("99.9%"), 99.9);
  EXPECT_DOUBLE_EQ(*parse_percent("100"), 100);
  EXPECT_FALSE(parse_percent("100.1"));
}

TEST(Scalars, DatesExist) {
  EXPECT_EQ(parse_calendar_date("2028-02-29"), 2028y / 2 / 29);
  for (auto bad : {"2027-02-29", "2027-13-01", "27-01-01", "2027/01/01", "2027-1-1"})
    EXPECT_FALSE(parse_calendar_date(bad)) << bad;
}

TEST(Scalars, NamesMayBeQuoted) {
  EXPECT_THAT(parse_table_name("payments"), Optional(TableName{"public", "payments"}));
  EXPECT_THAT(parse_table_name("Ledger.Größe"), Optional(TableName{"Ledger", "Größe"}));
  EXPECT_THAT(parse_table_name(R"("we ird"."ta.b""le")"), Optional(TableName{"we ird", "ta.b\"le"}));
  for (auto bad : {"", ".", "a.", ".a", "a.b.c", "\"a", "\"a\"b", "a\"b\"", "\"\""})
    EXPECT_FALSE(parse_table_name(bad)) << bad;
  EXPECT_THAT(parse_dotted("a.\"b.c\".0"), Optional(ElementsAre("a", "b.c", "0")));
}

TEST(Scalars, DottedNamesSurviveBothWays) {
  for (std::vector<std::string> names :
       {std::vector<std::string>{"a", "b c"}, {"we.ird", "qu\"ote"}, {"Größe"}})
    EXPECT_EQ(parse_dotted(to_dotted(names)), names);
}

}  // namespace
}  // namespace oxbow
