#include "core/cohort/cohorts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/value/pg_values.hpp"

namespace oxbow {
namespace {

using testing::HasSubstr;
using testing::Not;

EntitySpec payment(std::vector<CohortSpec> cohorts) {
  return {.name = "payment", .key = "payment_id", .cohorts = std::move(cohorts)};
}

CohortFilter filter_of(const CohortTable& table, std::vector<std::uint32_t> members) {
  CohortFilter filter{.table = table, .members = {}};
  for (auto member : members) filter.members.push_back(CohortId(member));
  return filter;
}

Type builtin(std::string name, std::int32_t modifier = -1) {
  return {.modifier = modifier, .schema = "pg_catalog", .name = name, .sql = name};
}

// The file was written by a PostgreSQL server out of bucket_sql(): salt, key and bucket with tabs between
// them.
TEST(Cohorts, BucketsAreWhatADatabaseComputes) {
  std::ifstream file(OXBOW_SOURCE_DIR "/test/golden/cohort_buckets.txt");
  int vectors = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream in(line);
    std::string salt, key, bucket;
    std::getline(in, salt, '\t');
    std::getline(in, key, '\t');
    std::getline(in, bucket, '\t');
    EXPECT_EQ(std::to_string(bucket_of(salt, key)), bucket) << salt << " " << key;
    ++vectors;
  }
  EXPECT_GT(vectors, 200);
}

// test/integration/test_cohort_buckets.py asks a server for every vector by this text.
TEST(Cohorts, BucketsInSqlAreThoseOfTheText) {
  std::ifstream file(OXBOW_SOURCE_DIR "/test/golden/cohort_bucket_sql.txt");
  std::string sql;
  std::getline(file, sql);
  EXPECT_EQ(bucket_sql("SALT", "KEY"), sql);
}

// bucket_sql() without its numbers: the first 32 bits of a sum are enough to tell the bucket.
TEST(Cohorts, TheFirstDigestOfABucketIsTheSmallestThatLeadsThere) {
  auto bucket_of_bits = [](std::uint64_t bits) { return bits * kBucketCount >> 32; };
  for (std::uint32_t bucket = 1; bucket < kBucketCount; ++bucket) {
    auto digest = first_digest_of(bucket);
    ASSERT_EQ(digest.size(), 8u);
    auto bits = std::stoull(digest, nullptr, 16);
    EXPECT_EQ(bucket_of_bits(bits), bucket);
    EXPECT_EQ(bucket_of_bits(bits - 1), bucket - 1);
  }
  EXPECT_EQ(first_digest_of(kBucketCount / 2), "80000000");
  EXPECT_EQ(first_digest_of(9'999), "fff97248") << "in lower case, as PostgreSQL writes them";
}

TEST(Cohorts, SpreadKeysEvenly) {
  std::vector<int> tenths(10);
  for (int key = 0; key < 100'000; ++key) ++tenths[bucket_of("salt", std::to_string(key)) / 1000];
  for (int count : tenths) EXPECT_NEAR(count, 10'000, 500);
}

TEST(Cohorts, NamedKeysComeBeforeSlicesAndTheRestTakesWhatIsLeft) {
  auto table = resolve_cohorts(payment({{.name = "one-percent", .buckets = 100},
                                        {.name = "pilot", .keys = {"4711", "13"}},
                                        {.name = "rest", .rest = true},
                                        {.name = "half", .buckets = 5000}}),
                               "billing");
  EXPECT_EQ(cohort_of(table, "4711"), CohortId(1));
  EXPECT_EQ(cohort_of(table, "13"), CohortId(1));
  EXPECT_EQ(table.by_bucket.size(), kBucketCount);
  EXPECT_EQ(std::ranges::count(table.by_bucket, CohortId(0)), 100);
  EXPECT_EQ(std::ranges::count(table.by_bucket, CohortId(3)), 5000);
  EXPECT_EQ(std::ranges::count(table.by_bucket, CohortId(2)), 4900);
  EXPECT_EQ(cohort_of(table, "5"), table.by_bucket[bucket_of(table.salt, "5")]);
}

TEST(Cohorts, AKeyNamedTwiceBelongsToTheFirstCohort) {
  auto table = resolve_cohorts(
      payment({{.name = "a", .keys = {"1"}}, {.name = "b", .keys = {"1"}}, {.name = "rest", .rest = true}}),
      "billing");
  EXPECT_EQ(cohort_of(table, "1"), CohortId(0));
  EXPECT_EQ(table.named_keys.size(), 1u);
}

TEST(Cohorts, DifferBetweenMigrationsAndEntities) {
  auto rest = std::vector<CohortSpec>{{.name = "rest", .rest = true}};
  auto other = payment(rest);
  other.name = "order";
  EXPECT_NE(resolve_cohorts(payment(rest), "billing").salt, resolve_cohorts(payment(rest), "shop").salt);
  EXPECT_NE(resolve_cohorts(payment(rest), "billing").salt, resolve_cohorts(other, "billing").salt);
}

TEST(CohortsDeathTest, UncoveredBucketsAreABrokenInvariant) {
  EXPECT_DEATH(resolve_cohorts(payment({{.name = "pilot", .keys = {"1"}}}), "billing"), "cover 0 buckets");
}

TEST(CohortPredicate, NamesNoBucketWhereItNeedsNone) {
  auto table = resolve_cohorts(
      payment({{.name = "pilot", .keys = {"4711", "it's"}}, {.name = "rest", .rest = true}}), "m");
  EXPECT_EQ(cohort_predicate_sql(filter_of(table, {0, 1}), "\"k\""), "true");
  EXPECT_EQ(cohort_predicate_sql(filter_of(table, {0}), "\"k\""), "\"k\"::text IN ('4711', 'it''s')");
  EXPECT_EQ(cohort_predicate_sql(filter_of(table, {1}), "\"k\""), "\"k\"::text NOT IN ('4711', 'it''s')");
}

TEST(CohortPredicate, TakesTheSlicesOfItsMembers) {
  auto table = resolve_cohorts(
      payment({{.name = "a", .buckets = 100}, {.name = "b", .buckets = 50}, {.name = "rest", .rest = true}}),
      "m");
  EXPECT_THAT(cohort_predicate_sql(filter_of(table, {0, 1}), "\"k\""), HasSubstr(" BETWEEN 0 AND 149"));
  auto both_ends = cohort_predicate_sql(filter_of(table, {0, 2}), "\"k\"");
  EXPECT_THAT(both_ends, HasSubstr(" BETWEEN 0 AND 99 OR "));
  EXPECT_THAT(both_ends, HasSubstr(" BETWEEN 150 AND 9999)"));
}

TEST(KeyText, IsWhatTheDatabasePrints) {
  for (auto [type, text] :
       {std::pair(builtin("int8"), "4711"), std::pair(builtin("numeric", (10 << 16 | 2) + 4), "1.50"),
        std::pair(builtin("bpchar", 4 + 8), "ab"), std::pair(builtin("text"), "x y")}) {
    auto binary = text_to_binary(type, text);
    ASSERT_TRUE(binary);
    EXPECT_EQ(*key_text(type, *binary), text);
  }
}

TEST(KeyText, RefusesTypesThatPrintInSeveralWays) {
  for (const auto* name : {"timestamptz", "date", "float8", "bytea", "jsonb"}) {
    EXPECT_FALSE(is_entity_key_type(builtin(name))) << name;
    EXPECT_EQ(key_text(builtin(name), "x").error().code, ErrorCode::unsupported) << name;
  }
  EXPECT_FALSE(is_entity_key_type(builtin("numeric"))) << "1.0 and 1.00 are one key";
}

}  // namespace
}  // namespace oxbow
