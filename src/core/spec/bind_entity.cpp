#include <algorithm>
#include <map>
#include <utility>

#include "core/spec/bind.hpp"
#include "core/spec/scalars.hpp"
#include "model/cohort.hpp"

namespace oxbow {
namespace {

void check_routes_have_a_state(const EntitySpec& entity, const SpecNode& node, Mistakes& mistakes) {
  const auto* reads = node.find("reads");
  for (const auto& route : entity.routes) {
    if (!route.read) continue;
    auto read_class = oxbow::name(*route.read);
    if (!reads || !reads->find(read_class))
      mistakes.add(route.mark,
                   "{} {} reads by class '{}', but 'reads' does not say in which state that class moves",
                   route.method, route.path, read_class);
  }
}

// ---- cohorts ----

CohortSpec bind_cohort(const SpecNode& item) {
  CohortSpec cohort;
  cohort.mark = item.mark;
  cohort.name = text_at(item, "name");
  cohort.keys = texts_at(item, "keys");
  cohort.buckets = parsed_at(item, "percent", parse_buckets);
  cohort.rest = item.is_map() && !item.find("keys") && !item.find("percent");
  return cohort;
}

void check_each_key_once(const SpecNode& list, Mistakes& mistakes) {
  std::map<std::string_view, Mark> seen;
  for (const auto& item : list.items) {
    const auto* keys = decided(item, "keys");
    if (!keys) continue;
    for (const auto& key : keys->items) {
      if (is_undecided(key)) continue;
      auto [first, is_new] = seen.emplace(key.text, key.mark);
      if (!is_new)
        mistakes.add(key.mark, "key '{}' is in two cohorts; first in line {}", key.text, first->second.line);
    }
  }
}

void check_cohorts(const std::vector<CohortSpec>& cohorts, const SpecNode& list, Mistakes& mistakes) {
  std::uint32_t buckets = 0;
  std::map<std::string_view, Mark> names;
  for (const auto& cohort : cohorts) {
    auto [first, is_new] = names.emplace(cohort.name, cohort.mark);
    if (!cohort.name.empty() && !is_new)
      mistakes.add(cohort.mark, "two cohorts are called '{}'; first in line {}", cohort.name,
                   first->second.line);
    if (cohort.rest && &cohort != &cohorts.back())
      mistakes.add(cohort.mark, "cohort '{}' takes all remaining keys, so it must be the last one",
                   cohort.name);
    auto before = std::exchange(buckets, buckets + cohort.buckets.value_or(0));
    if (before <= kBucketCount && buckets > kBucketCount)
      mistakes.add(cohort.mark, "up to cohort '{}' the percentages add up to {}, more than 100", cohort.name,
                   buckets / 100.0);
  }
  bool all_understood = std::ranges::none_of(list.items, [](const SpecNode& item) {
    return !item.is_map() || (item.find("percent") && !parsed_at(item, "percent", parse_buckets));
  });
  if (!cohorts.back().rest && buckets < kBucketCount && all_understood)
    mistakes.add(cohorts.back().mark, "some keys are in no cohort; end the list with {{name: rest}}");
}

std::vector<CohortSpec> bind_cohorts(const SpecNode& entity, Mistakes& mistakes) {
  const auto* list = decided(entity, "cohorts");
  if (!list || list->items.empty()) {
    CohortSpec all;
    all.name = "all";
    all.rest = true;
    return {all};
  }
  std::vector<CohortSpec> cohorts;
  for (const auto& item : list->items) cohorts.push_back(bind_cohort(item));
  check_each_key_once(*list, mistakes);
  check_cohorts(cohorts, *list, mistakes);
  return cohorts;
}

// ---- invariants ----

std::vector<Invariant> bind_invariants(const SpecNode& list, Mistakes& mistakes) {
  std::vector<Invariant> invariants;
  for (const auto& item : list.items) {
    const auto* transition = decided(item, "transition");
    if (!transition) continue;
    auto definition = "transition of " + text_at(*transition, "column") + ", never";
    for (const auto& step : texts_at(*transition, "never")) definition += " [" + step + "]";
    auto name = text_at(item, "name");
    if (std::ranges::find(invariants, name, &Invariant::name) != invariants.end())
      mistakes.add(item.mark, "two invariants are called '{}'", name);
    invariants.push_back({.name = std::move(name), .definition = std::move(definition), .mark = item.mark});
  }
  return invariants;
}

}  // namespace

EntitySpec bind_entity(const std::string& name, const SpecNode& node, Mark mark, Mistakes& mistakes) {
  EntitySpec entity;
  entity.name = name;
  entity.mark = mark;
  entity.key = text_at(node, "key");
  if (const auto* tables = decided(node, "tables")) {
    for (const auto& item : tables->items)
      if (!is_undecided(item)) entity.tables.push_back(bind_table(item, entity.key, mistakes));
  }
  if (const auto* routes = decided(node, "routes")) entity.routes = bind_routes(*routes, entity, mistakes);
  if (const auto* reads = decided(node, "reads")) entity.reads = bind_reads(*reads);
  if (const auto* invariants = decided(node, "invariants"))
    entity.invariants = bind_invariants(*invariants, mistakes);
  entity.cohorts = bind_cohorts(node, mistakes);
  check_routes_have_a_state(entity, node, mistakes);
  return entity;
}

}  // namespace oxbow
