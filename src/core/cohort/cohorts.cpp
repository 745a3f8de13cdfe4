#include "core/cohort/cohorts.hpp"

#include <fmt/core.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/assert.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
};

// The first 32 bits of MD5. Context and algorithm are kept per thread: making and looking them up costs more
// than a digest.
std::uint32_t md5_head(std::string_view a, char between, std::string_view b) {
  static thread_local const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
  static thread_local const std::unique_ptr<EVP_MD, FreeDigest> md5(EVP_MD_fetch(nullptr, "MD5", nullptr));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  bool done = context && md5 && EVP_DigestInit_ex2(context.get(), md5.get(), nullptr) == 1 &&
              EVP_DigestUpdate(context.get(), a.data(), a.size()) == 1 &&
              EVP_DigestUpdate(context.get(), &between, 1) == 1 &&
              EVP_DigestUpdate(context.get(), b.data(), b.size()) == 1 &&
              EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1;
  OXBOW_ASSERT(done, "OpenSSL gives no MD5, which decides the cohort of a key; is it in FIPS mode?");
  return read_big_endian<std::uint32_t>(reinterpret_cast<const char*>(digest.data()));
}

bool takes(const CohortFilter& filter, CohortId cohort) {
  return std::ranges::binary_search(filter.members, cohort);
}

// "('4711', '4712')", or nothing if there is no such key.
std::string key_list(const CohortFilter& filter, bool of_members) {
  std::string list;
  for (const auto& [key, cohort] : filter.table.named_keys)
    if (takes(filter, cohort) == of_members) list += (list.empty() ? "" : ", ") + quote_literal(key);
  return list.empty() ? list : "(" + list + ")";
}

// The members' slices as ranges of buckets: [begin, end).
std::vector<std::pair<std::uint32_t, std::uint32_t>> bucket_ranges(const CohortFilter& filter) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  for (std::uint32_t bucket = 0; bucket < kBucketCount; ++bucket) {
    if (!takes(filter, filter.table.by_bucket[bucket])) continue;
    if (ranges.empty() || ranges.back().second != bucket) ranges.emplace_back(bucket, bucket);
    ++ranges.back().second;
  }
  return ranges;
}

// True for the keys whose bucket belongs to a member, named elsewhere or not.
std::string slices_sql(const CohortFilter& filter, std::string_view key_sql) {
  auto ranges = bucket_ranges(filter);
  if (ranges.empty()) return "false";
  if (ranges.front() == std::pair(0u, kBucketCount)) return "true";
  auto bucket = bucket_sql(filter.table.salt, key_sql);
  std::string sql;
  for (const auto& [begin, end] : ranges)
    sql += fmt::format("{}{} BETWEEN {} AND {}", sql.empty() ? "" : " OR ", bucket, begin, end - 1);
  return ranges.size() == 1 ? sql : "(" + sql + ")";
}

}  // namespace

std::uint32_t bucket_of(std::string_view salt, std::string_view key_text) {
  return static_cast<std::uint32_t>(std::uint64_t{md5_head(salt, ':', key_text)} * kBucketCount >> 32);
}

std::string bucket_sql(std::string_view salt, std::string_view key_sql) {
  return fmt::format(
      "(('x' OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.md5({} "
      "OPERATOR(pg_catalog.||) {}), 1, 8))::bit(32)::bigint OPERATOR(pg_catalog.*) {} "
      "OPERATOR(pg_catalog.>>) 32)",
      quote_literal(std::string(salt) + ":"), key_sql, kBucketCount);
}

std::string first_digest_of(std::uint32_t bucket) {
  return fmt::format("{:08x}", ((std::uint64_t{bucket} << 32) + kBucketCount - 1) / kBucketCount);
}

std::string cohort_salt(std::string_view entity, std::string_view migration) {
  return fmt::format("cohort/{}/{}", migration, entity);
}

CohortTable resolve_cohorts(const EntitySpec& entity, std::string_view migration) {
  CohortTable table{.key_column = entity.key,
                    .salt = cohort_salt(entity.name, migration),
                    .named_keys = {},
                    .by_bucket = {}};
  std::optional<CohortId> rest;
  for (std::size_t i = 0; i < entity.cohorts.size(); ++i) {
    const auto& cohort = entity.cohorts[i];
    CohortId id(static_cast<std::uint32_t>(i));
    for (const auto& key : cohort.keys) table.named_keys.emplace_back(key, id);
    table.by_bucket.insert(table.by_bucket.end(), cohort.buckets.value_or(0), id);
    if (cohort.rest) rest = id;
  }
  // Of a key named twice the first cohort counts.
  std::ranges::sort(table.named_keys);
  auto repeated = std::ranges::unique(table.named_keys, {}, [](const auto& entry) { return entry.first; });
  table.named_keys.erase(repeated.begin(), repeated.end());

  bool covered = table.by_bucket.size() == kBucketCount || (rest && table.by_bucket.size() < kBucketCount);
  OXBOW_ASSERT(covered, "the cohorts of {} cover {} buckets and name {}", entity.name, table.by_bucket.size(),
               rest ? "a rest" : "no rest");
  table.by_bucket.resize(kBucketCount, rest.value_or(CohortId()));
  return table;
}

CohortId cohort_of(const CohortTable& table, std::string_view key_text) {
  return place_of(table, key_text).cohort;
}

KeyPlace place_of(const CohortTable& table, std::string_view key_text) {
  auto named = std::ranges::lower_bound(table.named_keys, key_text, {},
                                        [](const auto& entry) { return std::string_view(entry.first); });
  if (named != table.named_keys.end() && named->first == key_text) return {named->second, std::nullopt};
  auto bucket = bucket_of(table.salt, key_text);
  return {table.by_bucket[bucket], bucket};
}

std::string cohort_predicate_sql(const CohortFilter& filter, std::string_view column_sql) {
  auto key = fmt::format("{}::text", column_sql);
  auto sql = slices_sql(filter, key);
  if (auto others = key_list(filter, false); !others.empty() && sql != "false") {
    auto not_named = fmt::format("{} NOT IN {}", key, others);
    sql = sql == "true" ? not_named : fmt::format("({} AND {})", not_named, sql);
  }
  if (auto own = key_list(filter, true); !own.empty() && sql != "true") {
    auto named = fmt::format("{} IN {}", key, own);
    sql = sql == "false" ? named : fmt::format("({} OR {})", named, sql);
  }
  return sql;
}

bool is_entity_key_type(const Type& type) {
  constexpr std::array<std::string_view, 8> kPrintOneWay = {"int2", "int4",    "int8",   "uuid",
                                                            "text", "varchar", "bpchar", "name"};
  const Type& base = base_type(type);
  if (base.kind == TypeKind::enumeration) return true;
  if (base.kind != TypeKind::base || !base.is_builtin()) return false;
  bool fixed_scale = base.name == "numeric" && base.modifier >= 4;
  return fixed_scale || std::ranges::find(kPrintOneWay, base.name) != kPrintOneWay.end();
}

Result<std::string> key_text(const Type& type, std::string_view binary) {
  if (!is_entity_key_type(type))
    return Err(ErrorCode::unsupported, "a {} cannot be the key of an entity: its text is not fixed",
               type.sql);
  return binary_to_text(type, binary);
}

}  // namespace oxbow
