#include "services/pipeline/plan.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/assert.hpp"
#include "core/cohort/cohorts.hpp"
#include "core/mapping/inverse.hpp"

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

// One legacy table may become several new ones, and what one of them drops another may carry.
void note_what_others_carry(std::vector<PlannedTable>& tables) {
  for (auto& table : tables) {
    for (auto& line : table.mapping.report) {
      if (!line.new_side.empty()) continue;
      for (const auto& other : tables) {
        if (other.id == table.id || other.mapping.source != table.mapping.source) continue;
        if (std::ranges::count(other.mapping.source_columns, line.legacy) == 0) continue;
        line.how = fmt::format("left to {}", to_string(other.mapping.target.name));
        line.loss = Loss::none;
      }
    }
  }
}

const TableSpec& spec_of(const EntitySpec& entity, const TableMapping& mapping) {
  auto table = std::ranges::find_if(entity.tables, [&](const TableSpec& each) {
    return each.legacy == mapping.source && each.new_side == mapping.target.name;
  });
  OXBOW_ASSERT(table != entity.tables.end(), "{} is not in the spec", to_string(mapping.target.name));
  return *table;
}

CompiledMapping inverse_of(const EntitySpec& entity, const PlannedTable& table, const Plan& there) {
  const auto& mapping = table.mapping;
  return compile_inverse(entity, spec_of(entity, mapping), *there.source.find(mapping.source),
                         *there.target.find(mapping.target.name), mapping);
}

// What keeps rows from coming back. It is no mistake of a mirror.
void judge_way_back(const EntitySpec& entity, const PlannedTable& table, const Plan& plan,
                    std::vector<PreflightItem>& items) {
  for (auto& problem : inverse_of(entity, table, plan).problems)
    items.push_back({PreflightItem::Verdict::warning,
                     Side::legacy,
                     fmt::format("mirroring works, but a later handover of {} does not: {}", entity.name,
                                 problem.sentence),
                     {},
                     problem.mark});
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

std::vector<TableName> Plan::source_tables() const {
  std::vector<TableName> names;
  for (const auto& table : tables) names.push_back(table.mapping.source);
  return distinct(std::move(names));
}

std::vector<TableName> Plan::target_tables() const {
  std::vector<TableName> names;
  for (const auto& table : tables) names.push_back(table.mapping.target.name);
  return distinct(std::move(names));
}

PlanAttempt try_to_plan(const Spec& spec, const Catalog& legacy, const Catalog& new_side,
                        UndecidedColumns undecided) {
  Plan plan{.course = Course::there,
            .source = legacy,
            .target = new_side,
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
  note_what_others_carry(plan.tables);
  return {.plan = std::move(plan), .mistakes = {}};
}

Result<Plan> make_plan(const Spec& spec, const Catalog& legacy, const Catalog& new_side,
                       UndecidedColumns undecided) {
  auto attempt = try_to_plan(spec, legacy, new_side, undecided);
  if (!attempt.plan) return std::unexpected(to_error(attempt.mistakes, spec.file));
  return *std::move(attempt.plan);
}

namespace {

std::vector<ComparedColumn> shown_on_way_back(const TableMapping& there, const TableMapping& back) {
  std::vector<ComparedColumn> shown;
  for (const auto& column : there.compared)
    if (std::ranges::find(back.source_columns, column.name) != back.source_columns.end())
      shown.push_back({column.name, column.new_sql, column.legacy_sql, column.may_differ_until});
  return shown;
}

}  // namespace

Result<Plan> make_plan_back(const Spec& spec, const Plan& there) {
  Plan back{.course = other(there.course),
            .source = there.target,
            .target = there.source,
            .cohorts = {},
            .tables = {},
            .identity_changes = {},
            .left_out = {}};
  for (const auto& entity : spec.entities)
    back.cohorts.push_back(std::make_unique<CohortTable>(resolve_cohorts(entity, spec.migration)));
  std::string problems;
  for (const auto& table : there.tables) {
    const auto& entity = *spec.find_entity(table.entity);
    auto compiled = inverse_of(entity, table, there);
    for (const auto& problem : compiled.problems) problems += "\n  " + problem.sentence;
    if (!compiled.mapping) continue;
    auto& mapping = *compiled.mapping;
    mapping.target.id = table.id;
    const auto& source = *back.source.find(mapping.source);
    if (auto change = identity_change(mapping, source)) back.identity_changes.push_back(*change);
    auto place = static_cast<std::size_t>(&entity - spec.entities.data());
    auto shown = shown_on_way_back(table.mapping, mapping);
    back.tables.push_back(
        {table.id, table.entity, std::move(mapping), back.cohorts[place].get(), 0, std::move(shown)});
  }
  if (!problems.empty())
    return Err(ErrorCode::unsupported, "rows of the new side have no way back:{}", problems);
  return back;
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

std::vector<std::string> set_up_sentences(const Plan& plan) {
  std::vector<std::string> changes, published;
  for (const auto& change : plan.identity_changes) {
    auto identity = change.identity == ReplicaIdentity::full    ? std::string("FULL")
                    : change.identity == ReplicaIdentity::index ? "USING INDEX " + change.index
                                                                : "DEFAULT";
    auto line = fmt::format("{} ({})", to_string(change.table), identity);
    if (std::ranges::count(changes, line) == 0) changes.push_back(std::move(line));
  }
  for (const auto& table : plan.source_tables()) published.push_back(to_string(table));
  std::vector<std::string> sentences;
  if (!changes.empty())
    sentences.push_back(fmt::format(
        "the first `oxbow advance`, of whichever entity, sets the REPLICA IDENTITY of {}; each with its "
        "partitions, until the migration is over, and with FULL an UPDATE or DELETE writes more log",
        fmt::join(changes, ", ")));
  sentences.push_back(fmt::format("the first `oxbow advance`, of whichever entity, publishes {}",
                                  fmt::join(published, ", ")));
  return sentences;
}

std::vector<PreflightItem> judge_plan(const Spec& spec, const Plan& plan) {
  using Verdict = PreflightItem::Verdict;
  std::vector<PreflightItem> items;
  auto sentences = set_up_sentences(plan);
  for (std::size_t i = 0; i < sentences.size(); ++i)
    items.push_back(
        {i + 1 < sentences.size() ? Verdict::warning : Verdict::ok, Side::legacy, sentences[i], {}, {}});
  for (const auto& table : plan.tables) judge_way_back(*spec.find_entity(table.entity), table, plan, items);
  for (const auto& table : plan.tables) {
    const auto* entity = spec.find_entity(table.entity);
    if (entity->cohorts.size() < 2 || !table.mapping.new_entity_key.empty()) continue;
    items.push_back(
        {Verdict::warning, Side::new_side,
         fmt::format(
             "{} does not hold {}, the key of {}, as legacy prints it, so the cohorts of {} can be rolled "
             "back only together",
             to_string(table.mapping.target.name), entity->key, entity->name, entity->name),
         fmt::format("give the new table a column for {} and carry it there", entity->key), entity->mark});
  }
  return items;
}

CohortFilter filter_on_source(const PlannedTable& table, std::vector<CohortId> members) {
  const auto& mapping = table.mapping;
  CohortFilter filter{*table.cohorts, std::move(members)};
  if (mapping.entity_key_field) filter.table.key_column = mapping.source_columns[*mapping.entity_key_field];
  return filter;
}

CohortFilter filter_on_target(const PlannedTable& table, std::vector<CohortId> members) {
  CohortFilter filter{*table.cohorts, std::move(members)};
  filter.table.key_column = table.mapping.new_entity_key;
  return filter;
}

std::uint64_t rows_expected(const PlannedTable& table, const std::set<CohortId>& cohorts) {
  auto buckets = std::ranges::count_if(table.cohorts->by_bucket,
                                       [&](CohortId cohort) { return cohorts.contains(cohort); });
  return table.rows_estimated * static_cast<std::uint64_t>(buckets) / kBucketCount;
}

std::vector<std::string> schema_changes(const Plan& plan, Side side, const Catalog& before,
                                        const Catalog& now) {
  std::vector<std::string> sentences;
  for (const auto& name : side == source_of(plan.course) ? plan.source_tables() : plan.target_tables()) {
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
