#include "core/mapping/column_steps.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "core/mapping/json_text.hpp"
#include "core/mapping/type_words.hpp"
#include "core/spec/scalars.hpp"
#include "core/value/pg_values.hpp"

namespace oxbow {
namespace {

using Steps = Result<std::vector<StepPlan>>;

const Type kText{.oid = 25, .schema = "pg_catalog", .name = "text", .sql = "text"};

template <class... Args>
std::unexpected<Error> refuse(fmt::format_string<Args...> format, Args&&... args) {
  return Err(ErrorCode::unsupported, format, std::forward<Args>(args)...);
}

std::string label_hint(const Type& type, std::string_view word) {
  std::vector<std::string_view> labels(type.labels.begin(), type.labels.end());
  auto near = nearest_word(word, labels);
  return near.empty() ? std::string() : fmt::format("; did you mean {}?", near);
}

// A value that stands in the spec, in binary.
Result<std::string> written_value(const Type& type, std::string_view text) {
  if (!has_text_codec(type)) return refuse("a {} cannot be written down here: use sql", type.sql);
  auto bytes = text_to_binary(type, text);
  if (!bytes)
    return refuse("'{}' is not a value of type {}{}", text, type.sql, label_hint(base_type(type), text));
  return bytes;
}

std::string in_quotes(const std::vector<std::string>& labels) {
  std::string out;
  for (const auto& label : labels) out += fmt::format("{}'{}'", out.empty() ? "" : ", ", label);
  return out;
}

StepPlan make_step(const Column& column, decltype(FieldProgram::step) step, ComparedSql compared,
                   std::string how) {
  StepPlan made;
  made.plan.column = &column;
  made.plan.program.step = std::move(step);
  made.plan.compared = std::move(compared);
  made.how = std::move(how);
  return made;
}

// ---- rename, cast and the implicit pass-through ----

std::string way_out(const Type& from, const Column& new_column) {
  if (why_not_carried(from)) return "change its type, or drop it with a reason";
  return fmt::format("write add: {{{}: {{sql: ..., from: [...]}}}}", new_column.name);
}

Status check_cast(const ColumnRule& rule, const Conversion& conversion, const Column& old_column,
                  const Column& new_column) {
  if (rule.op == ColumnOp::cast) {
    if (names_type(rule.argument, new_column.type)) return {};
    return refuse("it is cast to {}, but the new column is {}: write that type", rule.argument,
                  new_column.type.sql);
  }
  const auto& from = old_column.type.sql;
  const auto& to = new_column.type.sql;
  auto type = to.find(',') == to.npos ? to : fmt::format("\"{}\"", to);  // a comma would end the value
  auto cast = fmt::format("write {}: {{to: {}, cast: {}}}", old_column.name, new_column.name, type);
  switch (conversion.fidelity) {
    case Fidelity::exact:
      return {};
    case Fidelity::checked:
      return refuse(
          "{} holds values that {} does not: {}, and rows that do not fit are quarantined, or widen "
          "the new column",
          from, to, cast);
    case Fidelity::reshaped:
      return refuse(
          "{} keeps the meaning of a {} but not its form (blanks, order and repeated keys): {} to accept "
          "that",
          to, from, cast);
  }
}

std::string how_converted(const ColumnRule& rule, const Conversion& conversion, const Column& from,
                          const Column& to) {
  std::string renamed = from.name == to.name ? "" : "renamed, ";
  if (conversion.fidelity == Fidelity::checked)
    return fmt::format("{}cast to {} where it fits", renamed, to.type.sql);
  if (conversion.fidelity == Fidelity::reshaped) return fmt::format("{}cast to {}", renamed, to.type.sql);
  if (rule.op == ColumnOp::cast || from.type.sql != to.type.sql)
    return fmt::format("{}{} to {}", renamed, from.type.sql, to.type.sql);
  return from.name == to.name ? "as it is" : "renamed";
}

Steps plan_conversion_rule(const ColumnRule& rule, const RuleColumns& columns) {
  const auto& from = *columns.legacy.front().column;
  const auto& to = *columns.new_side.front();
  auto planned = plan_conversion(from.type, to.type);
  if (!planned) return refuse("{}: {}", planned.error().detail, way_out(from.type, to));
  auto conversion = columns.legacy.front().identifies ? narrowed_to_injective(*planned) : *planned;
  TRY(check_cast(rule, conversion, from, to));
  auto step = make_step(to, ConvertField{conversion},
                        compared_sql(conversion, quote_identifier(from.name), quote_identifier(to.name)),
                        how_converted(rule, conversion, from, to));
  step.plan.injective = is_injective(conversion);
  if (conversion.fidelity == Fidelity::checked) step.why = "a row whose value does not fit is quarantined";
  bool loses_blanks = base_type(from.type).name == "bpchar" && base_type(to.type).name != "bpchar";
  if (loses_blanks && conversion.step == Conversion::Step::text_unpadded) {
    step.loses_something = true;
    step.why += step.why.empty() ? "" : ", and ";
    step.why += "blanks at the end are not kept";
  }
  if (conversion.fidelity == Fidelity::reshaped) {
    step.loses_something = true;
    step.why = "blanks, the order of keys and repeated keys are not kept";
  } else if (conversion.step == Conversion::Step::spelled_number) {
    step.loses_something = true;
    step.why = "needless zeros of the text are not kept; a row that holds no number is quarantined";
  }
  return std::vector{std::move(step)};
}

// ---- scale ----

Steps plan_scale(const ColumnRule& rule, const RuleColumns& columns) {
  const auto& from = *columns.legacy.front().column;
  const auto& to = *columns.new_side.front();
  std::string_view number = rule.argument;
  bool divides = number.starts_with("1/");
  if (divides) number.remove_prefix(2);
  auto factor = Decimal::parse(number);
  if (!factor || !factor->is_finite() || factor->is_zero())
    return refuse("'{}' is not a factor: write a number other than 0", rule.argument);
  if (divides && !divide(*factor, *factor)) return refuse("{} has too many digits to be divided by", number);
  for (const auto* column : {&from, &to})
    if (!is_exact_number(column->type))
      return refuse("scale works on numeric and integers, not on {}: use sql", column->type.sql);
  auto plain = [](const Column& column) {
    return fmt::format("trim_scale({}::numeric)", quote_identifier(column.name));
  };
  auto multiplied = [&](const Column& column) {
    return fmt::format("trim_scale({}::numeric * {}::numeric)", quote_identifier(column.name),
                       quote_literal(to_string(*factor)));
  };
  // SQL would round a quotient, so of a division the product is compared.
  auto compared =
      divides ? ComparedSql{plain(from), multiplied(to)} : ComparedSql{multiplied(from), plain(to)};
  auto step = make_step(to, ScaleField{*factor, divides, base_type(from.type), base_type(to.type)},
                        std::move(compared), fmt::format("{} by {}", divides ? "divided" : "scaled", number));
  step.plan.injective = true;
  step.why = fmt::format("a {} that does not fit {} is quarantined, never rounded",
                         divides ? "quotient" : "product", to.type.sql);
  return std::vector{std::move(step)};
}

// ---- map ----

// Types in which equal values have equal bytes, so that a value can be looked up.
bool can_be_looked_up(const Type& type) {
  constexpr auto kManyForms =
      std::to_array<std::string_view>({"numeric", "float4", "float8", "json", "jsonb", "citext"});
  bool padded_at_will = base_type(type).name == "bpchar" && !length_max(type);
  return has_text_codec(type) && !padded_at_will &&
         std::ranges::find(kManyForms, base_type(type).name) == kManyForms.end();
}

Status check_all_labels_mapped(const ColumnRule& rule, const Type& from) {
  std::vector<std::string> missing;
  for (const auto& label : from.labels)
    if (std::ranges::find(rule.map, label, [](const auto& entry) { return entry.first; }) == rule.map.end())
      missing.push_back(label);
  if (missing.empty()) return {};
  return refuse("the map has no new value for {}: add {}", in_quotes(missing),
                missing.size() == 1 ? "it" : "them");
}

Steps plan_map(const ColumnRule& rule, const RuleColumns& columns) {
  const auto& from = *columns.legacy.front().column;
  const auto& to = *columns.new_side.front();
  if (!can_be_looked_up(from.type))
    return refuse("values of type {} cannot be mapped: use sql", from.type.sql);
  if (base_type(to.type).name == "jsonb") return refuse("a map cannot give jsonb: use sql");
  if (rule.map.empty()) return refuse("the map is empty: list legacy values and their new values");
  TRY(check_all_labels_mapped(rule, base_type(from.type)));

  LookUpField look_up{.from = base_type(from.type), .images = {}};
  std::set<std::string> images;
  auto old_sql = fmt::format("{}::text", quote_identifier(from.name));
  std::string cases;
  for (const auto& [old_value, new_value] : rule.map) {
    auto key = TRY(written_value(from.type, old_value));
    auto image = TRY(written_value(to.type, new_value));
    cases += fmt::format(" WHEN {} THEN {}", quote_literal(TRY(binary_to_text(from.type, key))),
                         quote_literal(TRY(binary_to_text(to.type, image))));
    images.insert(image);
    if (!look_up.images.emplace(std::move(key), std::move(image)).second)
      return refuse("the map lists '{}' twice: keep one", old_value);
  }
  bool bijective = images.size() == look_up.images.size();
  auto step = make_step(to, std::move(look_up),
                        {fmt::format("CASE {0}{1} ELSE 'not mapped: ' || {0} END", old_sql, cases),
                         fmt::format("{}::text", quote_identifier(to.name))},
                        fmt::format("mapped, {} values", rule.map.size()));
  step.plan.injective = bijective;
  step.loses_something = !bijective;
  step.has_inverse = bijective;
  step.why = bijective ? "a row with a value that is not listed is quarantined"
                       : "several legacy values become one new value";
  return std::vector{std::move(step)};
}

// ---- concat, split, json ----

// From a text that was computed to the new column.
Result<Conversion> plan_text_result(const Column& column) {
  auto conversion = plan_conversion(kText, column.type);
  if (!conversion) return refuse("{}: use sql", conversion.error().detail);
  return conversion;
}

// Several columns as one text, for both implementations.
struct Joined {
  ConcatField field;
  std::vector<std::string> parts;  // in SQL, all of them texts
  std::string text;                // in SQL
  std::string nulls;               // which of the columns may be NULL
};

Result<Joined> join(const ColumnRule& rule, const RuleColumns& columns) {
  auto conversion = TRY(plan_text_result(*columns.new_side.front()));
  Joined joined{.field = {.from = {}, .separator = rule.argument, .conversion = conversion},
                .parts = {},
                .text = {},
                .nulls = {}};
  std::vector<std::string> nullable;
  for (const auto& [column, place, identifies] : columns.legacy) {
    if (column->nullable) nullable.push_back(column->name);
    if (!has_text_codec(column->type))
      return refuse("{} has no text that could be joined: use sql", column->type.sql);
    joined.field.from.push_back(column->type);
    joined.parts.push_back(fmt::format("{}::text", quote_identifier(column->name)));
  }
  auto separator = rule.argument.empty() ? " || " : fmt::format(" ||{} || ", quote_literal(rule.argument));
  joined.text = fmt::format("({})", fmt::join(joined.parts, separator));
  joined.nulls = fmt::format("{}", fmt::join(nullable, " or "));
  return joined;
}

Steps plan_concat(const ColumnRule& rule, const RuleColumns& columns) {
  const auto& to = *columns.new_side.front();
  auto joined = TRY(join(rule, columns));
  auto compared = compared_sql(joined.field.conversion, joined.text, quote_identifier(to.name));
  auto step = make_step(to, std::move(joined.field), std::move(compared), "joined");
  step.has_inverse = false;
  step.why = "a joined text cannot be taken apart with certainty";
  if (!joined.nulls.empty()) step.why += fmt::format("; where {} is NULL, all of it is", joined.nulls);
  return std::vector{std::move(step)};
}

// A split turned round.
Steps plan_join_of_parts(const ColumnRule& rule, const RuleColumns& columns) {
  const auto& to = *columns.new_side.front();
  auto joined = TRY(join(rule, columns));
  joined.field.comes_apart = true;
  std::string same;
  for (std::size_t i = 0; i + 1 < joined.parts.size(); ++i)
    same += fmt::format("{}split_part({}, {}, {}) = {}", i > 0 ? " AND " : "", joined.text,
                        quote_literal(rule.argument), i + 1, joined.parts[i]);
  auto all = fmt::format("{}", fmt::join(joined.parts, ", "));
  auto text = fmt::format(
      "(CASE WHEN {} THEN {} WHEN num_nonnulls({}) > 0 THEN 'cannot be joined: ' || concat_ws({}, {}) END)",
      same, joined.text, all, quote_literal(rule.argument), all);
  auto compared = compared_sql(joined.field.conversion, text, quote_identifier(to.name));
  auto step = make_step(to, std::move(joined.field), std::move(compared), "joined");
  step.has_inverse = false;
  step.why = "a row whose parts would be cut otherwise, or of which only some are NULL, is quarantined";
  return std::vector{std::move(step)};
}

std::string split_sql(std::string_view text, std::string_view separator, std::size_t part,
                      std::size_t parts) {
  auto array = fmt::format("string_to_array({}, {})", text, separator);
  auto wanted = part + 1 < parts ? fmt::format("split_part({}, {}, {})", text, separator, part + 1)
                                 : fmt::format("array_to_string(({})[{}:], {})", array, parts, separator);
  return fmt::format("(CASE WHEN array_length({}, 1) >= {} THEN {} ELSE 'too few parts: ' || {} END)", array,
                     parts, wanted, text);
}

Steps plan_split(const ColumnRule& rule, const RuleColumns& columns) {
  if (columns.legacy.size() > 1) return plan_join_of_parts(rule, columns);
  const auto& from = *columns.legacy.front().column;
  if (rule.argument.empty()) return refuse("a text cannot be cut at nothing: write the separator");
  if (!is_text_like(from.type)) return refuse("only a text can be cut, not a {}: use sql", from.type.sql);
  auto parts = columns.new_side.size();
  if (parts < 2) return refuse("a text is cut into at least two new columns: name them under to");
  std::vector<StepPlan> steps;
  for (std::size_t part = 0; part < parts; ++part) {
    const auto& to = *columns.new_side[part];
    auto conversion = TRY(plan_text_result(to));
    auto text = fmt::format("{}::text", quote_identifier(from.name));
    auto compared = compared_sql(conversion, split_sql(text, quote_literal(rule.argument), part, parts),
                                 quote_identifier(to.name));
    auto step = make_step(to, SplitField{from.type, rule.argument, part, parts, conversion},
                          std::move(compared), fmt::format("part {} of {}", part + 1, parts));
    step.why = fmt::format("a row with fewer than {} parts is quarantined", parts);
    steps.push_back(std::move(step));
  }
  return steps;
}

// #>> would count such a step from the end of an array.
bool counts_from_the_end(std::string_view step) {
  auto digits = step.substr(std::min(step.find_first_not_of(" +-"), step.size()));
  return digits.size() < step.size() && !digits.empty() &&
         digits.find_first_not_of("0123456789") == digits.npos;
}

Steps plan_json(const ColumnRule& rule, const RuleColumns& columns) {
  const auto& from = *columns.legacy.front().column;
  const auto& to = *columns.new_side.front();
  const auto& base = base_type(from.type);
  bool is_jsonb = base.name == "jsonb";
  if (!base.is_builtin() || !(is_jsonb || base.name == "json")) return refuse("{} is no json", from.type.sql);
  auto path = parse_dotted(rule.argument);
  if (!path) return refuse("'{}' is not a path such as address.city", rule.argument);
  if (std::ranges::any_of(*path, counts_from_the_end))
    return refuse("'{}' counts elements from the end: use sql", rule.argument);

  std::vector<std::string> words;
  for (const auto& word : *path) words.push_back(quote_literal(word));
  auto document = quote_identifier(from.name);
  auto found = fmt::format("({} #>> ARRAY[{}])", document, fmt::join(words, ","));
  if (!is_jsonb) found = fmt::format("({})", unless_nul_character_sql(document, found));
  auto conversion = TRY(plan_text_result(to));
  auto step = make_step(to, JsonField{std::move(*path), is_jsonb, conversion},
                        compared_sql(conversion, found, quote_identifier(to.name)),
                        fmt::format("taken from {}", rule.argument));
  step.loses_something = true;
  step.has_inverse = false;
  step.why = "only this value of the document is carried";
  return std::vector{std::move(step)};
}

// ---- constant, sql ----

Steps plan_constant(const ColumnRule& rule, const RuleColumns& columns) {
  const auto& to = *columns.new_side.front();
  const auto& base = base_type(to.type);
  auto bytes = TRY(written_value(to.type, rule.argument));
  auto name = quote_identifier(to.name);
  auto literal = quote_literal(rule.argument);
  auto compared = base.is_builtin()
                      ? ComparedSql{fmt::format("{}::{}", literal, sql_name(base)), name}
                      : ComparedSql{fmt::format("{}::text", literal), fmt::format("{}::text", name)};
  auto step = make_step(to, ConstantField{std::move(bytes)}, std::move(compared),
                        fmt::format("always '{}'", rule.argument));
  step.has_inverse = false;
  step.why = "legacy has no such column";
  return std::vector{std::move(step)};
}

Steps plan_sql(const ColumnRule& rule, const RuleColumns& columns) {
  const auto& to = *columns.new_side.front();
  if (auto why = why_not_carried(to.type)) return refuse("{}: write default: true", *why);
  std::vector<std::string> values;
  for (const auto& [column, place, identifies] : columns.legacy) {
    auto staged = staged_type(column->type);
    if (!staged) return refuse("an expression cannot read {}, a {}", column->name, column->type.sql);
    auto name = quote_identifier(column->name);
    values.push_back(fmt::format("{0}::{1} AS {0}", name, sql_name(*staged)));
  }
  const auto& base = base_type(to.type);
  bool plain = base.is_builtin() && (base.inner.empty() || base.inner.front().is_builtin());
  auto compared_as = plain ? sql_name(base) : "text";
  auto name = quote_identifier(to.name);
  auto step = make_step(to, ComputedField{},
                        {fmt::format("(SELECT ({}\n) FROM (SELECT {}) AS legacy)::{}", rule.argument,
                                     fmt::join(values, ", "), compared_as),
                         plain ? name : fmt::format("{}::text", name)},
                        fmt::format("computed, {}", rule.argument));
  step.plan.expression = rule.argument;
  step.has_inverse = false;
  step.why = rule.backward ? fmt::format("back as {}", *rule.backward) : "no way back is given";
  return std::vector{std::move(step)};
}

bool has_shape(const ColumnRule& rule, const RuleColumns& columns) {
  auto old_count = columns.legacy.size(), new_count = columns.new_side.size();
  switch (rule.op) {
    case ColumnOp::constant:
      return old_count == 0 && new_count == 1;
    case ColumnOp::concat:
      return old_count >= 1 && new_count == 1;
    case ColumnOp::split:
      return old_count == 1 ? new_count >= 1 : new_count == 1;
    case ColumnOp::sql:
      return new_count == 1;
    default:
      return old_count == 1 && new_count == 1;
  }
}

}  // namespace

Steps plan_step(const ColumnRule& rule, const RuleColumns& columns) {
  OXBOW_ASSERT(has_shape(rule, columns), "a rule reads {} columns and writes {}", columns.legacy.size(),
               columns.new_side.size());
  switch (rule.op) {
    case ColumnOp::rename:
    case ColumnOp::cast:
      return plan_conversion_rule(rule, columns);
    case ColumnOp::scale:
      return plan_scale(rule, columns);
    case ColumnOp::map:
      return plan_map(rule, columns);
    case ColumnOp::concat:
      return plan_concat(rule, columns);
    case ColumnOp::split:
      return plan_split(rule, columns);
    case ColumnOp::json_path:
      return plan_json(rule, columns);
    case ColumnOp::constant:
      return plan_constant(rule, columns);
    case ColumnOp::sql:
      return plan_sql(rule, columns);
    case ColumnOp::drop:
    case ColumnOp::use_default:
      break;
  }
  OXBOW_ASSERT(false, "drop and default have no step");
  std::unreachable();
}

std::optional<Type> staged_type(const Type& legacy) {
  const Type& base = base_type(legacy);
  if (why_not_carried(base)) return std::nullopt;
  if (base.kind == TypeKind::enumeration || base.name == "citext") return kText;
  if (base.kind == TypeKind::array && base_type(base.inner.front()).kind == TypeKind::enumeration) {
    return Type{.oid = 1009,
                .schema = "pg_catalog",
                .name = "_text",
                .sql = "text[]",
                .kind = TypeKind::array,
                .inner = {kText}};
  }
  bool plain = base.is_builtin() && (base.inner.empty() || base.inner.front().is_builtin());
  return plain ? std::optional(base) : std::nullopt;
}

}  // namespace oxbow
