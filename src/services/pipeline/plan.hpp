// Every table of a migration, compiled against both catalogs: what the pipeline works with. Values; the plan
// outlives everything that refers to its mappings.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/mapping/mapping.hpp"
#include "core/spec/mistake.hpp"
#include "core/spec/preflight.hpp"
#include "model/catalog.hpp"
#include "model/cohort.hpp"
#include "model/course.hpp"
#include "model/side.hpp"
#include "model/spec.hpp"
#include "ports/admin.hpp"

namespace oxbow {

struct PlannedTable {
  std::uint32_t id = 0;  // index in Plan::tables, the same on every run of one spec
  std::string entity;
  TableMapping mapping;
  const CohortTable* cohorts = nullptr;
  std::uint64_t rows_estimated = 0;  // by the source's own statistics, when the plan was made

  // Of the way back: how people are shown what is compared, in the terms of the new side as on the way there.
  // As in the mapping, what is called legacy here is the source.
  std::vector<ComparedColumn> shown = {};
};

struct Plan {
  Course course = Course::there;
  Catalog source, target;                             // as they were when the plan was made
  std::vector<std::unique_ptr<CohortTable>> cohorts;  // by entity
  std::vector<PlannedTable> tables;
  std::vector<IdentityChange> identity_changes;
  std::vector<std::string> left_out;  // columns that the spec does not know and that are not carried

  std::vector<TableName> source_tables() const;
  std::vector<TableName> target_tables() const;
};

struct PlanAttempt {
  std::optional<Plan> plan;       // none if there are mistakes
  std::vector<Mistake> mistakes;  // of tables that are not there or cannot be carried exactly
};

PlanAttempt try_to_plan(const Spec& spec, const Catalog& legacy, const Catalog& new_side,
                        UndecidedColumns undecided = UndecidedColumns::are_problems);

// `spec_invalid` with all mistakes, a line each.
Result<Plan> make_plan(const Spec& spec, const Catalog& legacy, const Catalog& new_side,
                       UndecidedColumns undecided = UndecidedColumns::are_problems);

// The same tables, the other way. `unsupported` naming every table whose rows cannot come back.
Result<Plan> make_plan_back(const Spec& spec, const Plan& there);

// The numbers of an entity's tables, as a plan gives them, and without one.
std::vector<std::uint32_t> table_numbers(const Spec& spec, const std::string& entity);

// What the first advance changes on the legacy side, a sentence each. It is done for all tables of the spec,
// whichever entity moves first.
std::vector<std::string> set_up_sentences(const Plan& plan);

// What can be told only of mapped tables.
std::vector<PreflightItem> judge_plan(const Spec& spec, const Plan& plan);

// Rows of these cohorts, as the source tells them and as the target does.
// REQUIRES for the target: its table holds the key, see TableMapping::new_entity_key.
CohortFilter filter_on_source(const PlannedTable& table, std::vector<CohortId> members);
CohortFilter filter_on_target(const PlannedTable& table, std::vector<CohortId> members);

// About how many rows of the table belong to these cohorts; 0 where nothing can be said, as of named keys.
std::uint64_t rows_expected(const PlannedTable& table, const std::set<CohortId>& cohorts);

// What changed in the tables of the plan since `before`, one sentence each; empty: nothing.
std::vector<std::string> schema_changes(const Plan& plan, Side side, const Catalog& before,
                                        const Catalog& now);

// Tables of the legacy side that neither an entity nor `exclude` names.
std::vector<TableName> uncovered_tables(const Spec& spec, const Catalog& legacy);

}  // namespace oxbow
