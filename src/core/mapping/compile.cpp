// Puts a mapping together: the plans of its columns, the identity of its rows, and the layout of target
// tuples.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "core/cohort/cohorts.hpp"
#include "core/mapping/column_plan.hpp"
#include "core/mapping/identity.hpp"
#include "core/merge/key_order.hpp"
#include "core/value/pg_values.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kColumnsMax = 1600;  // of a PostgreSQL table, staging tables included

// Types whose values are never moved out of line, so that the log always carries them.
bool is_always_logged(const Type& type) {
  constexpr std::array<std::string_view, 21> kShort = {
      "bool", "char",    "int2",     "int4",      "int8",        "float4",   "float8",
      "date", "time",    "timetz",   "timestamp", "timestamptz", "interval", "uuid",
      "name", "macaddr", "macaddr8", "pg_lsn",    "point",       "inet",     "cidr"};
  const auto& base = base_type(type);
  if (base.kind == TypeKind::enumeration) return true;
  if (base.is_builtin() && std::ranges::find(kShort, base.name) != kShort.end()) return true;
  constexpr int kShortNumberMax =
      28;                           // digits: with its header no longer than a pointer to a value out of line
  constexpr int kShortTextMax = 5;  // characters of up to four bytes
  if (base.is_builtin() && base.name == "numeric")
    return base.modifier >= 4 && (base.modifier - 4) >> 16 <= kShortNumberMax;
  auto length = length_max(type);
  return length && *length <= kShortTextMax;
}

class Compiler {
 public:
  Compiler(const EntitySpec& entity, const TableSpec& spec, const Table& legacy, const Table& new_side,
           UndecidedColumns undecided)
      : entity_(entity), spec_(spec), legacy_(legacy), new_(new_side), undecided_(undecided) {}

  CompiledMapping compile() {
    mapping_.source = legacy_.name;
    mapping_.target.name = new_.name;
    check_tables();
    auto identity = choose_identity(spec_, legacy_, problems_);
    std::set<std::string> unique;
    if (identity) unique.insert(identity->columns.begin(), identity->columns.end());
    list_source_columns(unique);
    auto plans = plan_columns(spec_, legacy_, new_, mapping_.source_columns, unique, undecided_, problems_);
    mapping_.left_out = plans.left_out;
    check_entity_key();
    if (identity) lay_out(*identity, plans);
    if (!problems_.empty()) return {.mapping = std::nullopt, .problems = std::move(problems_)};
    return {.mapping = std::move(mapping_), .problems = {}};
  }

 private:
  template <class... Args>
  void problem(Mark mark, fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back({mark, fmt::format(format, std::forward<Args>(args)...)});
  }

  void list_source_columns(std::set<std::string> needed) {
    needed.insert(entity_.key);
    mapping_.source_columns = source_columns_of(spec_, legacy_, new_, needed);
    for (const auto& column : legacy_.columns) {
      if (std::ranges::count(mapping_.source_columns, column.name) > 0) {
        mapping_.source_types.push_back(column.type);
      } else if (!column.generated) {
        mapping_.left_behind.push_back(column.name);
      }
    }
  }

  void check_tables() {
    for (const auto* table : {&legacy_, &new_})
      if (table->is_partition)
        problem(spec_.mark, "{} is a partition: name the table that it is a part of", to_string(table->name));
    for (const auto& index : new_.indexes)
      if (!index.immediate)
        problem(
            spec_.mark,
            "constraint {} of {} is DEFERRABLE, and PostgreSQL enforces no such constraint in the sessions "
            "that oxbow writes with: make it NOT DEFERRABLE until the migration is over",
            index.name, to_string(new_.name));
  }

  std::size_t place_of(std::string_view legacy_column) const {
    auto at = std::ranges::find(mapping_.source_columns, legacy_column);
    OXBOW_ASSERT(at != mapping_.source_columns.end(), "{} is not in a source tuple", legacy_column);
    return static_cast<std::size_t>(at - mapping_.source_columns.begin());
  }

  // ---- the entity's key ----

  void check_entity_key() {
    if (entity_.key.empty() && entity_.cohorts.size() == 1) return;  // all rows are of that cohort
    const auto* column = legacy_.find_column(entity_.key);
    if (!column) {
      std::vector<std::string_view> names;
      for (const auto& known : legacy_.columns) names.push_back(known.name);
      auto near = nearest_word(entity_.key, names);
      return problem(spec_.mark, "{} has no column {}, the key of entity {}{}", to_string(legacy_.name),
                     entity_.key, entity_.name,
                     near.empty() ? std::string() : fmt::format("; did you mean {}?", near));
    }
    auto name = fmt::format("{}.{}", to_string(legacy_.name), column->name);
    if (column->generated)
      return problem(entity_.mark, "{} is generated, so the log does not carry it: choose another key", name);
    if (!is_entity_key_type(column->type)) {
      return problem(entity_.mark,
                     "{} is {}, which has no fixed text: an entity's key is an integer, a numeric with a "
                     "scale, a uuid, a text or an enumeration",
                     name, column->type.sql);
    }
    if (column->nullable && entity_.cohorts.size() > 1) {
      return problem(
          entity_.mark,
          "{} may be NULL, and such a row would belong to no cohort: give the rows with NULL a key and "
          "declare it NOT NULL, or give the entity no cohorts, so that all its rows move together",
          name);
    }
    for (const auto& cohort : entity_.cohorts) check_named_keys(cohort, *column);
    mapping_.entity_key_field = place_of(column->name);
    mapping_.entity_key_type = column->type;
  }

  void check_named_keys(const CohortSpec& cohort, const Column& key) {
    for (const auto& text : cohort.keys) {
      auto binary = text_to_binary(key.type, text);
      auto printed = binary ? key_text(key.type, *binary) : binary;
      if (!printed) {
        problem(cohort.mark, "cohort {} names the key '{}', which is no value of {}.{}, a {}", cohort.name,
                text, to_string(legacy_.name), key.name, key.type.sql);
      } else if (*printed != text) {
        problem(cohort.mark, "cohort {} names the key '{}', which {} prints as '{}': write it so",
                cohort.name, text, to_string(legacy_.name), *printed);
      }
    }
  }

  // ---- layout and identity ----

  void lay_out(const Identity& identity, ColumnPlans& plans) {
    mapping_.identity_index = identity.replica_index;
    mapping_.identity_needs_full = identity.needs_full;
    mapping_.target.has_key = !identity.columns.empty();
    mapping_.report = std::move(plans.report);
    for (const auto& plan : plans.written) {
      add_target_column(plan);
      if (std::ranges::any_of(plan.program.reads, [&](auto place) { return may_be_left_out(plan, place); }))
        mapping_.identity_needs_full = true;
    }
    // A row may go over to another entity, and so to another cohort; without its old entity key nobody would
    // notice.
    bool names_entity = std::ranges::find(identity.columns, entity_.key) != identity.columns.end();
    if (entity_.cohorts.size() > 1 && !names_entity) mapping_.identity_needs_full = true;
    if (mapping_.identity_needs_full) mapping_.identity_index.clear();
    stage_what_expressions_read(plans.written);
    auto fields = mapping_.programs.size();
    if (fields == 0) problem(spec_.mark, "no column of {} gets a value", to_string(new_.name));
    if (fields > kColumnsMax)
      problem(spec_.mark,
              "{} fields are needed to fill {}, and a table has at most {}: read fewer columns with sql",
              fields, to_string(new_.name), kColumnsMax);
    for (const auto& column : identity.columns) add_key_column(column, plans.written);
    check_target_key(identity);
    mapping_.rows_exclude_each_other = rows_exclude_each_other(new_, names_of(mapping_.target_key));
    find_new_entity_key();
    list_compared(plans);
    mapping_.is_identity = is_identity();
  }

  // An update whose log leaves this value out, but not the others that the new column is made of, could not
  // be mapped.
  bool may_be_left_out(const ColumnPlan& plan, std::size_t place) const {
    if (plan.program.reads.size() < 2) return false;
    return !is_always_logged(legacy_.find_column(mapping_.source_columns[place])->type);
  }

  void add_target_column(const ColumnPlan& plan) {
    const auto& column = *plan.column;
    mapping_.target.columns.push_back({.name = column.name,
                                       .sql_type = sql_name(column.type),
                                       .in_key = false,
                                       .identity_always = column.identity_always,
                                       .sql = {}});
    mapping_.programs.push_back(plan.program);
  }

  void stage_what_expressions_read(const std::vector<ColumnPlan>& plans) {
    std::map<std::size_t, std::string> staged;  // by place in the source tuple
    for (std::size_t i = 0; i < plans.size(); ++i) {
      if (plans[i].expression.empty()) continue;
      std::vector<std::string> values;
      for (auto place : plans[i].program.reads) {
        auto [entry, added] = staged.try_emplace(place, fmt::format("legacy {}", place));
        if (added) stage(place, entry->second);
        values.push_back(fmt::format("s.{} AS {}", quote_identifier(entry->second),
                                     quote_identifier(mapping_.source_columns[place])));
      }
      mapping_.target.columns[i].sql = fmt::format("(SELECT ({}\n) FROM (SELECT {}) AS legacy)",
                                                   plans[i].expression, fmt::join(values, ", "));
    }
  }

  void stage(std::size_t place, const std::string& name) {
    const auto& type = legacy_.find_column(mapping_.source_columns[place])->type;
    auto staged = staged_type(type);
    auto conversion =
        staged ? plan_conversion(type, *staged) : std::unexpected(Error{ErrorCode::unsupported, ""});
    OXBOW_ASSERT(conversion, "{} was planned for an expression and cannot be staged", type.sql);
    mapping_.target.staged_only.push_back(
        {.name = name, .sql_type = sql_name(*staged), .in_key = false, .identity_always = false, .sql = {}});
    mapping_.programs.push_back({.column = name, .reads = {place}, .step = ConvertField{*conversion}});
  }

  // The new column that stands for a key column: one of the primary key rather than any other.
  std::optional<std::size_t> image_of_key(std::size_t place, const std::vector<ColumnPlan>& plans) const {
    std::optional<std::size_t> found;
    const auto* primary = new_.primary_key();
    for (std::size_t i = 0; i < plans.size(); ++i) {
      if (!plans[i].injective || plans[i].program.reads != std::vector{place}) continue;
      bool in_primary =
          primary && std::ranges::find(primary->columns, plans[i].column->name) != primary->columns.end();
      if (!found || in_primary) found = i;
    }
    return found;
  }

  static bool is_read(std::size_t place, const std::vector<ColumnPlan>& plans) {
    return std::ranges::any_of(
        plans, [&](const auto& plan) { return std::ranges::count(plan.program.reads, place) > 0; });
  }

  bool is_dropped(const std::string& name) const {
    return std::ranges::any_of(spec_.columns, [&](const ColumnRule& rule) {
      return rule.op == ColumnOp::drop && std::ranges::count(rule.legacy, name) > 0;
    });
  }

  void add_key_column(const std::string& name, const std::vector<ColumnPlan>& plans) {
    const auto* column = legacy_.find_column(name);
    auto place = place_of(name);
    mapping_.source_key.push_back({name, column->type, column->collation_is_c});
    mapping_.source_key_fields.push_back(place);
    auto image = image_of_key(place, plans);
    if (!image) {
      if (is_read(place, plans) || is_dropped(name))
        not_one_to_one_.push_back(name);  // else it was refused already
      return;
    }
    const auto& target = *plans[*image].column;
    mapping_.target_key.push_back({target.name, target.type, target.collation_is_c});
    mapping_.target_key_fields.push_back(*image);
    mapping_.target.columns[*image].in_key = true;
  }

  void check_target_key(const Identity& identity) {
    if (!not_one_to_one_.empty()) {
      return problem(spec_.mark,
                     "({}) tells the rows of {} apart, but not all of it reaches {} one to one: rename, cast "
                     "or scale each "
                     "column, or map it without joining values",
                     fmt::join(not_one_to_one_, ", "), to_string(legacy_.name), to_string(new_.name));
    }
    if (identity.columns.empty()) return;
    auto names = names_of(mapping_.target_key);
    bool is_whole = names.size() == identity.columns.size();  // else a part was refused already
    if (is_whole && !is_unique_key(new_, names)) {
      problem(spec_.mark,
              "{} has no unique index on exactly ({}), where the identity of legacy rows arrives: create one",
              to_string(new_.name), fmt::join(names, ", "));
    }
    mapping_.ranges_hold_on_target = ranges_hold();
  }

  static std::vector<std::string> names_of(const std::vector<KeyColumn>& key) {
    std::vector<std::string> names;
    for (const auto& column : key) names.push_back(column.name);
    return names;
  }

  void find_new_entity_key() {
    for (std::size_t i = 0; i < mapping_.target.columns.size(); ++i) {
      const auto& program = mapping_.programs[i];
      bool is_carried = mapping_.target.columns[i].sql.empty() && program.reads.size() == 1 &&
                        program.reads.front() == mapping_.entity_key_field;
      if (is_carried && prints_the_same(program)) mapping_.new_entity_key = mapping_.target.columns[i].name;
    }
  }

  static bool prints_the_same(const FieldProgram& program) {
    using Step = Conversion::Step;
    if (program.is_pass_through()) return true;
    const auto* convert = std::get_if<ConvertField>(&program.step);
    if (!convert) return false;
    switch (convert->conversion.step) {
      case Step::bytes:
        return same_values(convert->conversion.from, convert->conversion.to);
      case Step::text_within:
      case Step::text_unpadded:
      case Step::text_to_padded:
      case Step::label:
      case Step::integer:
      case Step::printed:
        return true;
      default:
        return false;
    }
  }

  // True if the same literals cut both tables at the same rows.
  bool ranges_hold() const {
    if (!KeyOrder::of(mapping_.source_key) || !KeyOrder::of(mapping_.target_key)) return false;
    return std::ranges::all_of(mapping_.target_key_fields, [&](auto field) {
      const auto* step = std::get_if<ConvertField>(&mapping_.programs[field].step);
      if (!step) return false;
      const auto& [kind, fidelity, from, to] = step->conversion;
      return (kind == Conversion::Step::bytes && same_values(from, to)) ||
             (kind == Conversion::Step::integer && fidelity == Fidelity::exact);
    });
  }

  bool is_identity() const {
    if (mapping_.programs.size() != mapping_.source_columns.size()) return false;
    for (std::size_t i = 0; i < mapping_.programs.size(); ++i) {
      const auto& program = mapping_.programs[i];
      if (!program.is_pass_through() || program.reads.front() != i) return false;
    }
    return true;
  }

  // ---- comparison ----

  void list_compared(const ColumnPlans& plans) {
    for (auto field : mapping_.target_key_fields)
      add_compared(plans.written[field].column->name, plans.written[field].compared);
    for (std::size_t i = 0; i < plans.written.size(); ++i)
      if (!mapping_.target.columns[i].in_key)
        add_compared(plans.written[i].column->name, plans.written[i].compared);
    for (const auto& [column, compared] : plans.generated) add_compared(column->name, compared);
  }

  void add_compared(const std::string& name, const ComparedSql& sql) {
    ComparedColumn compared{
        .name = name, .legacy_sql = sql.legacy, .new_sql = sql.new_side, .may_differ_until = {}};
    for (const auto& entry : spec_.may_differ)
      if (entry.column == name) compared.may_differ_until = entry.until;
    bool in_key = mapping_.compared.size() < mapping_.target_key.size();
    if (in_key && compared.may_differ_until)
      problem(spec_.mark, "{}.{} tells rows apart and can never differ: take it out of may_differ",
              to_string(new_.name), name);
    mapping_.compared.push_back(std::move(compared));
  }

  const EntitySpec& entity_;
  const TableSpec& spec_;
  const Table& legacy_;
  const Table& new_;
  UndecidedColumns undecided_;
  TableMapping mapping_;
  std::vector<Problem> problems_;
  std::vector<std::string> not_one_to_one_;  // key columns without an image of their own
};

}  // namespace

CompiledMapping compile_mapping(const EntitySpec& entity, const TableSpec& spec, const Table& legacy,
                                const Table& new_side, UndecidedColumns undecided) {
  return Compiler(entity, spec, legacy, new_side, undecided).compile();
}

}  // namespace oxbow
