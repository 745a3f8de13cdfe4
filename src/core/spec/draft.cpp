#include "core/spec/draft.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "core/mapping/conversion.hpp"
#include "core/mapping/identity.hpp"
#include "core/spec/connection.hpp"
#include "core/spec/match.hpp"
#include "core/spec/node.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

// ---- words of YAML ----

// As it is where YAML takes it for nothing but text, else in double quotes.
std::string yaml(std::string_view text) {
  static constexpr std::array<std::string_view, 10> special = {"true", "false", "null", "yes", "no",
                                                               "on",   "off",   "y",    "n",   kUndecided};
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  bool starts_well =
      !text.empty() && std::string_view("0123456789.-").find(text.front()) == std::string_view::npos;
  if (starts_well && text.find_first_not_of(plain) == std::string_view::npos &&
      std::ranges::find(special, text) == special.end())
    return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    auto code = static_cast<unsigned char>(c);
    out += code < 0x20 || code == 0x7f ? fmt::format("\\x{:02x}", code) : std::string(1, c);
  }
  return out + "\"";
}

std::string yaml(const TableName& name) {
  return yaml(to_dotted({name.schema, name.name}));
}

std::string in_one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

std::string decide(std::string choices) {
  return fmt::format("{}  # {}", kUndecided, in_one_line(std::move(choices)));
}

template <class Items, class Name>
std::string listed(const Items& items, Name name_of, std::string_view between = ", ") {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += between;
    out += name_of(item);
  }
  return out;
}

std::string column_names(const std::vector<const Column*>& columns) {
  return listed(columns, [](const Column* column) { return column->name; });
}

// A name that the grammar takes for a migration or an entity.
std::string plain_name(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 36)) out += is_plain_name(std::string{'a', c}) ? c : '_';
  return is_plain_name(out) ? out : "m" + out;
}

bool is_number(const Type& type) {
  static constexpr std::array<std::string_view, 4> numbers = {"int2", "int4", "int8", "numeric"};
  return base_type(type).is_builtin() && std::ranges::find(numbers, base_type(type).name) != numbers.end();
}

// ---- one table ----

class TableDraft {
 public:
  TableDraft(const TableMatch& match, std::string& out) : legacy_(*match.legacy), match_(match), out_(out) {}

  void write() {
    line("      - legacy: {}", yaml(legacy_.name));
    line("        new: {}", new_table());
    write_identity();
    if (match_.new_side) write_columns(*match_.new_side);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  std::string new_table() const {
    if (match_.new_side) return yaml(match_.new_side->name);
    auto otherwise = fmt::format("or take this entity out and write exclude: [{}]", yaml(legacy_.name));
    if (match_.candidates.empty())
      return decide(fmt::format("no new table resembles it: name one, {}", otherwise));
    return decide(fmt::format("name one of {}, {}",
                              listed(match_.candidates, [](const Table* table) { return yaml(table->name); }),
                              otherwise));
  }

  void write_identity() {
    std::vector<Problem> problems;
    if (choose_identity(TableSpec{}, legacy_, problems)) return;
    line("        identity: {}",
         decide("no primary key and no unique index without nulls: full-row, or take the table "
                "out and exclude it"));
  }

  void write_columns(const Table& new_side) {
    auto matches = match_columns(legacy_, new_side);
    auto free = matches.unfed;
    std::string before = std::exchange(out_, "");
    for (const auto& match : matches.columns) write_column(match, free);
    auto columns = std::exchange(out_, std::move(before));
    if (!columns.empty()) out_ += "        columns:\n" + columns;
    if (!matches.unfed.empty()) line("        add:");
    for (const auto* column : matches.unfed) line("          {}: {}", yaml(column->name), source_of(*column));
  }

  void write_column(const ColumnMatch& match, const std::vector<const Column*>& free) {
    auto legacy = yaml(match.legacy->name);
    if (!match.new_side) return line("          {}: {}", legacy, decide(no_match(free)));
    const auto& column = *match.new_side;
    if (column.generated)
      return line(
          "          {}: {}", legacy,
          decide(fmt::format("the new side computes {} itself: {{drop: true, why: ...}}", column.name)));
    auto conversion = plan_conversion(match.legacy->type, column.type);
    bool renamed = match.legacy->name != column.name;
    if (conversion && conversion->fidelity == Fidelity::exact) {
      if (renamed) line("          {}: {}", legacy, yaml(column.name));
      return;
    }
    if (are_enumerations(match)) return write_labels(match);
    line("          {}: {}", legacy, decide(inexact(match, conversion)));
  }

  static std::string no_match(const std::vector<const Column*>& free) {
    std::string name_one = free.empty() ? "" : fmt::format("name a new column ({}), or ", column_names(free));
    return fmt::format("no new column resembles it: {}{{drop: true, why: ...}}", name_one);
  }

  std::string inexact(const ColumnMatch& match, const Result<Conversion>& conversion) const {
    const auto& from = match.legacy->type.sql;
    const auto& to = match.new_side->type.sql;
    auto rule = fmt::format("{{to: {}, cast: {}}}", yaml(match.new_side->name), yaml(to));
    if (!conversion)
      return fmt::format(
          "{}; {{drop: true, why: ...}} here, and {{sql: ..., from: [{}]}} under add if it can be "
          "computed",
          conversion.error().detail, yaml(match.legacy->name));
    if (conversion->fidelity == Fidelity::reshaped)
      return fmt::format("{} becomes {}, which keeps its meaning but not its form: {}", from, to, rule);
    auto scale = is_number(match.legacy->type) && is_number(match.new_side->type)
                     ? fmt::format("{{to: {}, scale: ...}}, ", yaml(match.new_side->name))
                     : std::string();
    return fmt::format(
        "not every {} fits into {}: {} (rows that do not fit are quarantined), {}or widen the new column",
        from, to, rule, scale);
  }

  static bool are_enumerations(const ColumnMatch& match) {
    return base_type(match.legacy->type).kind == TypeKind::enumeration &&
           base_type(match.new_side->type).kind == TypeKind::enumeration;
  }

  void write_labels(const ColumnMatch& match) {
    const auto& new_labels = base_type(match.new_side->type).labels;
    line("          {}:", yaml(match.legacy->name));
    line("            to: {}", yaml(match.new_side->name));
    line("            map:");
    for (const auto& label : base_type(match.legacy->type).labels) {
      auto same = std::ranges::find_if(
          new_labels, [&](const auto& other) { return normalised_name(other) == normalised_name(label); });
      auto names = listed(new_labels, [](const std::string& name) { return yaml(name); });
      line("              {}: {}", yaml(label),
           same != new_labels.end() ? yaml(*same) : decide("one of the new labels: " + names));
    }
  }

  std::string source_of(const Column& column) const {
    const auto* same = legacy_.find_column(column.name);
    if (same && same->generated)
      return decide("legacy generates it, so the log does not carry it: {sql: ..., from: [...]}");
    bool fills_itself =
        column.nullable || column.default_sql || column.identity_always || column.identity_by_default;
    return decide(fmt::format(
        "no legacy column resembles it: {}{{constant: ...}}, {{concat: [...]}}, {{sql: ..., from: "
        "[...]}}; or delete this line and name it as some legacy column's new column",
        fills_itself ? "{default: true}, " : ""));
  }

  const Table& legacy_;
  const TableMatch& match_;
  std::string& out_;
};

// ---- the file ----

std::string entity_key(const Table& table) {
  std::vector<Problem> problems;
  auto identity = choose_identity(TableSpec{}, table, problems);
  if (identity && identity->columns.size() == 1) return yaml(identity->columns.front());
  auto columns = identity && !identity->columns.empty() ? identity->columns : std::vector<std::string>();
  if (columns.empty())
    for (const auto& column : table.columns) columns.push_back(column.name);
  return decide("the column that says which entity a row belongs to: " +
                listed(columns, [](const std::string& name) { return name; }, " or "));
}

std::string unused_name(const TableMatch& match, std::set<std::string>& used) {
  auto name = plain_name((match.new_side ? match.new_side : match.legacy)->name.name);
  auto unique = name;
  for (int i = 2; !used.insert(unique).second; ++i) unique = fmt::format("{}_{}", name, i);
  return unique;
}

constexpr std::string_view kHeader =
    R"(# Written by `oxbow init`. Replace every DECIDE by one of the choices behind it, then run `oxbow check`.
# Columns that are not named here keep their name. docs/spec.md explains every key.
)";

constexpr std::string_view kBeforeEntities = R"(
# One entity per table. Tables whose rows move together belong under one entity; its key must be a column
# of each of them.
entities:
)";

}  // namespace

std::string draft_spec(const Catalog& legacy, const Catalog& new_side, std::string_view legacy_address,
                       std::string_view new_address) {
  std::string out(kHeader);
  out += fmt::format("migration: {}\n", plain_name(legacy.database));
  out += "owners:\n";
  out += fmt::format("  legacy: {}\n", decide("who answers for the legacy system"));
  out += fmt::format("  new: {}\n", decide("who answers for the new system"));
  out += fmt::format("  coexistence: {}\n", decide("who answers for the time between"));
  out += "systems:\n";
  out += fmt::format("  legacy: {{database: {}}}\n",
                     yaml(replace_password(legacy_address, "${OXBOW_LEGACY_PASSWORD}")));
  out +=
      fmt::format("  new: {{database: {}}}\n", yaml(replace_password(new_address, "${OXBOW_NEW_PASSWORD}")));

  auto matches = match_tables(legacy, new_side);
  if (matches.tables.empty())
    return out + fmt::format("entities: {}\n", decide("the legacy database has no tables"));
  out += kBeforeEntities;
  std::set<std::string> used;
  for (const auto& match : matches.tables) {
    out +=
        fmt::format("  {}:\n    key: {}\n    tables:\n", unused_name(match, used), entity_key(*match.legacy));
    TableDraft(match, out).write();
  }
  if (!matches.unfed.empty())
    out += fmt::format("\n# Nothing feeds these new tables: {}\n",
                       listed(matches.unfed, [](const Table* table) { return yaml(table->name); }));
  return out;
}

}  // namespace oxbow
