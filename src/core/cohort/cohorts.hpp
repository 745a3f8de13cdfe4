// From a key to its cohort, in C++ and in SQL, with the same answer for ever: a key never changes cohort.
// Bucket of a key: (first 32 bits of md5(salt || ':' || key) * 10000) >> 32, key as the database prints it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/catalog.hpp"
#include "model/cohort.hpp"
#include "model/spec.hpp"

namespace oxbow {

std::uint32_t bucket_of(std::string_view salt, std::string_view key_text);  // in [0, kBucketCount)

// The same in SQL, over an expression of type text. Needs no function or extension of ours.
std::string bucket_sql(std::string_view salt, std::string_view key_sql);

// Of the md5 sums that lead to this bucket or a later one, what the smallest begins with, as hexadecimal
// digits. A sum is one of them exactly if it does not come before this text, byte for byte. REQUIRES: not the
// first bucket
std::string first_digest_of(std::uint32_t bucket);

// Of the buckets of an entity's keys.
std::string cohort_salt(std::string_view entity, std::string_view migration);

// REQUIRES: a validated entity: its slices and `rest` cover every bucket.
CohortTable resolve_cohorts(const EntitySpec& entity, std::string_view migration);
CohortId cohort_of(const CohortTable& table, std::string_view key_text);

struct KeyPlace {
  CohortId cohort;
  std::optional<std::uint32_t> bucket;  // none for a key that a cohort names
};

// The same, and by what.
KeyPlace place_of(const CohortTable& table, std::string_view key_text);

// A predicate over the legacy table, e.g. for COPY (SELECT ... WHERE <predicate>). `column_sql` is the quoted
// column. True for exactly the keys k with cohort_of(k) in filter.members.
std::string cohort_predicate_sql(const CohortFilter& filter, std::string_view column_sql);

// True for types that print every value in one way, whatever the session's settings: integers, numeric with a
// scale, uuid, texts, enumerations and domains over them.
bool is_entity_key_type(const Type& type);

// What `key::text` is for a key in binary; `unsupported` for types that cannot be an entity key.
Result<std::string> key_text(const Type& type, std::string_view binary);

}  // namespace oxbow
