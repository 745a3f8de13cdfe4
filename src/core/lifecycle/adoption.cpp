#include "core/lifecycle/adoption.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/cohort/cohorts.hpp"
#include "core/lifecycle/chain.hpp"
#include "core/lifecycle/record.hpp"

namespace oxbow {
namespace {

constexpr char kBehindChain = '-';

std::string definition_of(const CohortSpec& cohort) {
  Record record;
  record["keys"] = cohort.keys;
  record["buckets"] = std::uint64_t{cohort.buckets.value_or(0)};
  record["rest"] = std::uint64_t{cohort.rest};
  return to_canonical(record);
}

std::string_view chain_of(std::string_view fingerprint) {
  return fingerprint.substr(0, fingerprint.find(kBehindChain));
}

std::vector<AdoptedCohort> adopted_cohorts(const EntitySpec& entity, std::string_view migration) {
  std::vector<AdoptedCohort> adopted;
  auto salt = cohort_salt(entity.name, migration);
  auto chain = chain_hash("", entity.key);
  std::uint32_t begin = 0;
  for (auto cohort = entity.cohorts.begin(); cohort != entity.cohorts.end(); ++cohort) {
    chain = chain_hash(chain, definition_of(*cohort));
    auto end = begin + cohort->buckets.value_or(0);
    std::vector<std::string> named_later;
    for (auto later = cohort + 1; later != entity.cohorts.end() && begin != end; ++later)
      std::ranges::copy_if(later->keys, std::back_inserter(named_later), [&](const std::string& key) {
        auto bucket = bucket_of(salt, key);
        return begin <= bucket && bucket < end;
      });
    begin = end;
    std::ranges::sort(named_later);
    auto fingerprint = chain;
    if (!named_later.empty())
      fingerprint += kBehindChain + chain_hash("", to_canonical({{"named_later", std::move(named_later)}}));
    adopted.push_back({{entity.name, cohort->name}, std::move(fingerprint)});
  }
  return adopted;
}

}  // namespace

std::vector<AdoptedCohort> adopted_cohorts(const Spec& spec) {
  std::vector<AdoptedCohort> adopted;
  for (const auto& entity : spec.entities)
    std::ranges::move(adopted_cohorts(entity, spec.migration), std::back_inserter(adopted));
  return adopted;
}

bool differ_by_later_names(std::string_view one, std::string_view other) {
  return one != other && chain_of(one) == chain_of(other);
}

bool says_more(std::string_view before, std::string_view after) {
  return differ_by_later_names(before, after) && chain_of(before) == before;
}

namespace {

bool have_same_tables(const EntitySpec& one, const EntitySpec& other) {
  auto names = [](const TableSpec& table) { return std::pair(table.legacy, table.new_side); };
  return std::ranges::equal(one.tables, other.tables, {}, names, names);
}

}  // namespace

std::optional<std::string> what_waits(const Spec& before, const Spec& after) {
  if (before.migration != after.migration)
    return fmt::format("the migration is called {}, and was {}", after.migration, before.migration);
  for (const auto& entity : before.entities) {
    const auto* found = after.find_entity(entity.name);
    if (found == nullptr) return fmt::format("entity {} is gone", entity.name);
    if (found->key != entity.key)
      return fmt::format("the key of entity {} is {}, and was {}", entity.name, found->key, entity.key);
    if (!have_same_tables(entity, *found)) return fmt::format("entity {} has other tables", entity.name);
  }
  for (const auto& entity : after.entities)
    if (before.find_entity(entity.name) == nullptr) return fmt::format("entity {} is new", entity.name);
  return std::nullopt;
}

std::vector<std::string> with_other_cohorts(const Spec& before, const Spec& after) {
  std::vector<std::string> others;
  for (const auto& entity : before.entities) {
    const auto& changed = *after.find_entity(entity.name);
    bool are_same = adopted_cohorts(entity, before.migration) == adopted_cohorts(changed, after.migration);
    if (!are_same) others.push_back(entity.name);
  }
  return others;
}

}  // namespace oxbow
