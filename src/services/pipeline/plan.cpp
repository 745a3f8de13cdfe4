#include "services/pipeline/plan.hpp"

#include <algorithm>

#include "core/cohort/cohorts.hpp"

namespace oxbow {
namespace {

std::vector<TableName> distinct(std::vector<TableName> names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// The log must carry the identity that we find rows by.
std::optional<IdentityChange> identity_change(const TableMapping& mapping, const Table& table) {
  if (mapping.identity_needs_full) {
    // Partitions have identities of their own, and a new one begins with the default.
    if (table.replica_identity == ReplicaIdentity::full && !table.partitioned) return std::nullopt;
    return IdentityChange{table.name, ReplicaIdentity::full, {}};
  }
  if (table.replica_identity == ReplicaIdentity::full) return std::nullopt;
  if (mapping.identity_index.empty()) {
    if (table.replica_identity == ReplicaIdentity::default_key) return std::nullopt;
    return IdentityChange{table.name, ReplicaIdentity::default_key, {}};
  }
  if (table.replica_identity == ReplicaIdentity::index &&
      table.replica_identity_index == mapping.identity_index && !table.partitioned)
    return std::nullopt;
  return IdentityChange{table.name, ReplicaIdentity::index, mapping.identity_index};
}

std::string describe(const Column& column) {
  return column.type.sql + (column.nullable ? "" : " not null") + (column.generated ? " generated" : "");
}

void compare_tables(const Table& before, const Table& now, std::vector<std::string>& changes) {
  if (before.oid != now.oid) changes.push_back("the table was made anew, or another took its name");
  for (const auto& column : before.columns) {
    const auto* present = now.find_column(column.name);
    if (present == nullptr) {
      changes.push_back(fmt::format("column {} is gone", column.name));
    } else if (describe(column) != describe(*present)) {
      changes.push_back(
          fmt::format("column {} was {}, is {}", column.name, describe(column), describe(*present)));
    }
  }
  for (const auto& column : now.columns) {
    if (before.find_column(column.name) == nullptr)
      changes.push_back(fmt::format("column {} {} is new", column.name, describe(column)));
  }
}

constexpr std::size_t kTablesListed = 12;

void add_unknown_table(Mistakes& mistakes, const Mark& mark, const TableName& table, const Catalog& catalog) {
  std::vector<std::string> names;
  for (const auto& [name, known] : catalog.tables)
    if (!known.is_partition) names.push_back(to_string(name));
  std::vector<std::string_view> expected(names.begin(), names.end());
  auto sentence = fmt::format("database {} has no table {}", catalog.database, to_string(table));
  if (!expected.empty() && expected.size() <= kTablesListed)
    sentence += fmt::format("; expected one of {}", join(expected));
  mistakes.add_unknown_word(mark, std::move(sentence), to_string(table), expected);
}

}  // namespace

std::vector<TableName> Plan::legacy_tables() const {
  std::vector<TableName> names;
  for (const auto& table : tables) names.push_back(table.mapping.legacy);
  return distinct(std::move(names));
}

std::vector<TableName> Plan::new_tables() const {
  std::vector<TableName> names;
  for (const auto& table : tables) names.push_back(table.mapping.new_side);
  return distinct(std::move(names));
}

PlanAttempt try_to_plan(const Spec& spec, const Catalog& legacy, const Catalog& new_side,
                        UndecidedColumns undecided) {
  Plan plan{.legacy = legacy,
            .new_side = new_side,
            .cohorts = {},
            .tables = {},
            .identity_changes = {},
            .left_out = {}};
  Mistakes mistakes;
  for (const auto& entity : spec.entities) {
    plan.cohorts.push_back(std::make_unique<CohortTable>(resolve_cohorts(entity, spec.migration)));
    for (const auto& table : entity.tables) {
      const auto* from = legacy.find(table.legacy);
      const auto* to = new_side.find(table.new_side);
      if (from == nullptr) add_unknown_table(mistakes, table.legacy_mark, table.legacy, legacy);
      if (to == nullptr) add_unknown_table(mistakes, table.new_mark, table.new_side, new_side);
      if (from == nullptr || to == nullptr) continue;
      auto compiled = compile_mapping(entity, table, *from, *to, undecided);
      for (auto& each : compiled.problems)
        mistakes.add({.mark = each.mark, .sentence = std::move(each.sentence)});
      if (!compiled.mapping) continue;
      std::ranges::copy(compiled.mapping->left_out, std::back_inserter(plan.left_out));
      auto id = static_cast<std::uint32_t>(plan.tables.size());
      compiled.mapping->target.id = id;
      if (auto change = identity_change(*compiled.mapping, *from)) plan.identity_changes.push_back(*change);
      auto rows_estimated = static_cast<std::uint64_t>(std::max(from->estimated_rows, 0.0));
      plan.tables.push_back(
          {id, entity.name, std::move(*compiled.mapping), plan.cohorts.back().get(), rows_estimated});
    }
  }
  if (mistakes.size() > 0) return {.plan = std::nullopt, .mistakes = mistakes.take_sorted()};
  return {.plan = std::move(plan), .mistakes = {}};
}

Result<Plan> make_plan(const Spec& spec, const Catalog& legacy, const Catalog& new_side,
                       UndecidedColumns undecided) {
  auto attempt = try_to_plan(spec, legacy, new_side, undecided);
  if (!attempt.plan) return std::unexpected(to_error(attempt.mistakes, spec.file));
  return *std::move(attempt.plan);
}

std::vector<std::uint32_t> table_numbers(const Spec& spec, const std::string& entity) {
  std::vector<std::uint32_t> numbers;
  std::uint32_t next = 0;
  for (const auto& of_spec : spec.entities) {
    for (std::size_t i = 0; i < of_spec.tables.size(); ++i, ++next)
      if (of_spec.name == entity) numbers.push_back(next);
  }
  return numbers;
}

std::uint64_t rows_expected(const PlannedTable& table, const std::set<CohortId>& cohorts) {
  auto buckets = std::ranges::count_if(table.cohorts->by_bucket,
                                       [&](CohortId cohort) { return cohorts.contains(cohort); });
  return table.rows_estimated * static_cast<std::uint64_t>(buckets) / kBucketCount;
}

std::vector<std::string> schema_changes(const Plan& plan, Side side, const Catalog& before,
                                        const Catalog& now) {
  std::vector<std::string> sentences;
  for (const auto& name : side == Side::legacy ? plan.legacy_tables() : plan.new_tables()) {
    const auto* was = before.find(name);
    const auto* is = now.find(name);
    std::vector<std::string> changes;
    if (is == nullptr) {
      changes.push_back("the table is gone");
    } else if (was != nullptr) {
      compare_tables(*was, *is, changes);
    }
    for (const auto& change : changes)
      sentences.push_back(fmt::format("{} on the {} side: {}", to_string(name), oxbow::name(side), change));
  }
  return sentences;
}

std::vector<TableName> uncovered_tables(const Spec& spec, const Catalog& legacy) {
  std::vector<TableName> uncovered;
  for (const auto& [name, table] : legacy.tables) {
    bool named = std::ranges::find(spec.excluded, name) != spec.excluded.end();
    for (const auto& entity : spec.entities)
      named = named || std::ranges::find(entity.tables, name, &TableSpec::legacy) != entity.tables.end();
    if (!named && !table.is_partition) uncovered.push_back(name);
  }
  return uncovered;
}

}  // namespace oxbow
