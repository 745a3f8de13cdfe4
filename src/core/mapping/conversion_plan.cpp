// Which conversions exist between which types.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "core/mapping/conversion.hpp"
#include "core/value/pg_values.hpp"

namespace oxbow {
namespace {

using Step = Conversion::Step;

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, word) != words.end();
}

// Types whose binary form means the same in every database.
constexpr auto kPortable = std::to_array<std::string_view>(
    {"bool",      "char",        "name",     "bytea",   "int2",     "int4",    "int8",     "float4",
     "float8",    "numeric",     "text",     "varchar", "bpchar",   "date",    "time",     "timetz",
     "timestamp", "timestamptz", "interval", "uuid",    "json",     "jsonb",   "jsonpath", "inet",
     "cidr",      "macaddr",     "macaddr8", "bit",     "varbit",   "point",   "line",     "lseg",
     "box",       "path",        "polygon",  "circle",  "tsvector", "tsquery", "pg_lsn"});

// Types of extensions whose binary form is known to mean the same in every database.
constexpr auto kPortableOfExtensions =
    std::to_array<std::string_view>({"citext", "hstore", "ltree", "geometry", "geography", "vector"});

constexpr auto kTimes = std::to_array<std::string_view>({"timestamp", "timestamptz", "time", "timetz"});

constexpr auto kNumbersOfObjects = std::to_array<std::string_view>(
    {"oid", "xid", "xid8", "cid", "tid", "regclass", "regtype", "regproc", "regprocedure", "regoper",
     "regoperator", "regrole", "regnamespace", "regconfig", "regdictionary", "regcollation", "pg_snapshot",
     "txid_snapshot"});

bool named(const Type& type, std::string_view name) {
  return type.is_builtin() && type.name == name;
}

Conversion make(Step step, Fidelity fidelity, const Type& from, const Type& to) {
  Conversion made{step, fidelity, from, to};
  made.from.sql = sql_name(from);
  made.to.sql = sql_name(to);
  return made;
}

std::unexpected<Error> no_way(const Type& from, const Type& to) {
  return Err(ErrorCode::unsupported, "no exact way from {} to {} is known", from.sql, to.sql);
}

// The element type with the modifier that PostgreSQL keeps on the array: varchar(20)[].
Type element_of(const Type& array) {
  Type element = base_type(array.inner.front());
  if (array.modifier >= 0 && element.modifier < 0) element.modifier = array.modifier;
  return element;
}

struct NumericShape {
  int integer_digits;
  int scale;
};

// Of a numeric(p,s); nothing for a numeric without limits.
std::optional<NumericShape> numeric_shape(const Type& type) {
  if (type.modifier < 4) return std::nullopt;
  int precision = ((type.modifier - 4) >> 16) & 0xffff;
  int scale = (((type.modifier - 4) & 0x7ff) ^ 1024) - 1024;
  return NumericShape{precision - scale, scale};
}

int integer_digits(const Type& integer) {
  if (integer.name == "int2") return 5;
  return integer.name == "int4" ? 10 : 19;
}

bool is_integer(const Type& type) {
  return named(type, "int2") || named(type, "int4") || named(type, "int8");
}

Conversion plan_numbers(const Type& from, const Type& to) {
  if (is_integer(from) && is_integer(to)) {
    bool widens = integer_digits(from) <= integer_digits(to);
    return make(Step::integer, widens ? Fidelity::exact : Fidelity::checked, from, to);
  }
  if (is_integer(to)) return make(Step::number, Fidelity::checked, from, to);  // NaN is in every numeric
  auto room = numeric_shape(to);
  if (is_integer(from)) {
    bool fits = !room || (room->scale >= 0 && room->integer_digits >= integer_digits(from));
    return make(Step::number, fits ? Fidelity::exact : Fidelity::checked, from, to);
  }
  auto shape = numeric_shape(from);
  if (!room) return make(Step::bytes, Fidelity::exact, from, to);
  bool fits = shape && room->scale >= shape->scale && room->integer_digits >= shape->integer_digits;
  return fits ? make(Step::bytes, Fidelity::exact, from, to)
              : make(Step::number, Fidelity::checked, from, to);
}

// The longest text that a type holds, in characters.
std::optional<int> longest_text(const Type& type) {
  if (named(type, "name")) return 63;
  return length_max(type);
}

std::optional<Conversion> plan_text_to_text(const Type& from, const Type& to) {
  if (named(to, "name")) return std::nullopt;  // cuts at 63 bytes without a word
  bool from_padded = named(from, "bpchar"), to_padded = named(to, "bpchar");
  auto most = longest_text(from), room = length_max(to);
  bool fits = !room || (most && *most <= *room);
  auto fidelity = fits ? Fidelity::exact : Fidelity::checked;
  if (from_padded && !to_padded) return make(Step::text_unpadded, fidelity, from, to);
  if (to_padded && !from_padded) return make(Step::text_to_padded, Fidelity::checked, from, to);
  if (from_padded && to_padded && !fits) return make(Step::text_unpadded, Fidelity::checked, from, to);
  return make(fits ? Step::bytes : Step::text_within, fidelity, from, to);
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::optional<Conversion> plan_enumerations(const Type& from, const Type& to) {
  bool from_enum = from.kind == TypeKind::enumeration, to_enum = to.kind == TypeKind::enumeration;
  if (from_enum && to_enum) {
    bool all = std::ranges::all_of(from.labels, [&](const auto& label) {
      return std::ranges::find(to.labels, label) != to.labels.end();
    });
    return make(all ? Step::bytes : Step::label, all ? Fidelity::exact : Fidelity::checked, from, to);
  }
  if (to_enum && is_text_like(from) && !named(from, "bpchar"))
    return make(Step::label, Fidelity::checked, from, to);
  if (!from_enum || !is_text_like(to) || named(to, "name")) return std::nullopt;
  if (named(to, "bpchar")) return make(Step::text_to_padded, Fidelity::checked, from, to);
  auto room = length_max(to);
  bool fits = !room || std::ranges::all_of(from.labels, [&](const auto& label) {
    return characters(label) <= static_cast<std::size_t>(*room);
  });
  return make(fits ? Step::bytes : Step::text_within, fits ? Fidelity::exact : Fidelity::checked, from, to);
}

Result<Conversion> plan_arrays(const Type& from, const Type& to) {
  Type a = element_of(from), b = element_of(to);
  if (!same_values(from, to)) {
    auto worded = [](const Type& type) { return type.kind == TypeKind::enumeration || is_text_like(type); };
    if (!worded(a) || !worded(b)) return no_way(from, to);
    auto elements = plan_conversion(a, b);
    if (!elements || elements->step != Step::bytes || elements->fidelity != Fidelity::exact)
      return no_way(from, to);
  }
  if (a.kind == TypeKind::array && element_of(a).oid != element_of(b).oid)
    return Err(ErrorCode::unsupported, "{} holds arrays within arrays of a type of its own", from.sql);
  bool same_oid = from.inner.front().oid == to.inner.front().oid;
  return make(same_oid ? Step::bytes : Step::array_of_own_type, Fidelity::exact, from, to);
}

int time_precision(const Type& type) {
  return type.modifier < 0 ? 6 : type.modifier;
}

std::optional<Conversion> plan_times(const Type& from, const Type& to) {
  if (named(from, "date") && named(to, "timestamp"))
    return make(Step::date_to_timestamp, Fidelity::checked, from, to);
  if (named(from, "timestamp") && named(to, "date"))
    return make(Step::timestamp_to_date, Fidelity::checked, from, to);
  if (named(from, "interval") && named(to, "interval") && to.modifier < 0)
    return make(Step::bytes, Fidelity::exact, from, to);
  if (!from.is_builtin() || !to.is_builtin() || from.name != to.name || !is_one_of(from.name, kTimes))
    return std::nullopt;
  if (time_precision(from) <= time_precision(to)) return make(Step::bytes, Fidelity::exact, from, to);
  return make(Step::coarser_time, Fidelity::checked, from, to);
}

std::optional<Conversion> plan_bits(const Type& from, const Type& to) {
  if (!named(to, "varbit") || !(named(from, "bit") || named(from, "varbit"))) return std::nullopt;
  bool fits = to.modifier < 0 || (from.modifier >= 0 && from.modifier <= to.modifier);
  return fits ? std::optional(make(Step::bytes, Fidelity::exact, from, to)) : std::nullopt;
}

std::optional<Conversion> plan_json(const Type& from, const Type& to) {
  if (named(from, "jsonb") && (named(to, "json") || named(to, "text")))
    return make(Step::json_from_jsonb, Fidelity::exact, from, to);
  if (named(from, "json") && named(to, "jsonb"))
    return make(Step::jsonb_from_json, Fidelity::reshaped, from, to);
  if (named(from, "json") && named(to, "text")) return make(Step::bytes, Fidelity::exact, from, to);
  if (is_text_like(from) && !named(from, "bpchar") && named(to, "json"))
    return make(Step::bytes, Fidelity::checked, from, to);
  return std::nullopt;
}

std::optional<Conversion> plan_through_text(const Type& from, const Type& to) {
  if (is_text_like(to) && !named(to, "name") && !named(to, "bpchar") && has_text_codec(from)) {
    bool any_length = !length_max(to);
    return make(Step::printed, any_length ? Fidelity::exact : Fidelity::checked, from, to);
  }
  if (!is_text_like(from) || !has_text_codec(to) || is_text_like(to) || named(to, "jsonb"))
    return std::nullopt;
  return make(is_exact_number(to) ? Step::spelled_number : Step::parsed, Fidelity::checked, from, to);
}

}  // namespace

bool is_text_like(const Type& type) {
  constexpr auto kTexts = std::to_array<std::string_view>({"text", "varchar", "bpchar", "name"});
  const Type& base = base_type(type);
  if (base.kind != TypeKind::base) return false;
  return base.is_builtin() ? is_one_of(base.name, kTexts) : base.name == "citext";
}

std::optional<int> length_max(const Type& type) {
  const Type& base = base_type(type);
  if (!(named(base, "varchar") || named(base, "bpchar")) || base.modifier < 4) return std::nullopt;
  return base.modifier - 4;
}

std::optional<std::string> why_not_carried(const Type& type) {
  const Type& base = base_type(type);
  switch (base.kind) {
    case TypeKind::enumeration:
      return std::nullopt;
    case TypeKind::array:
    case TypeKind::range:
    case TypeKind::multirange:
      if (base.inner.empty()) return fmt::format("the type inside {} is not known", base.sql);
      if (base.kind != TypeKind::array && base_type(base.inner.front()).kind == TypeKind::array)
        return fmt::format("{} is a range of arrays, whose binary form holds oids", base.sql);
      return why_not_carried(base.inner.front());
    case TypeKind::composite:
      return fmt::format("{} is a row type, whose binary form holds oids", base.sql);
    case TypeKind::domain:
    case TypeKind::pseudo:
      return fmt::format("{} is not a type of stored values", base.sql);
    case TypeKind::base:
      break;
  }
  if (!base.is_builtin()) {
    if (is_one_of(base.name, kPortableOfExtensions)) return std::nullopt;
    return fmt::format("the binary form of {} is not known", base.sql);
  }
  if (is_one_of(base.name, kPortable)) return std::nullopt;
  if (base.name == "money") return "money means another amount under another lc_monetary; numeric does not";
  if (is_one_of(base.name, kNumbersOfObjects))
    return fmt::format("{} numbers something inside its own database", base.sql);
  return fmt::format("{} has no binary form that means the same in another database", base.sql);
}

Result<Conversion> plan_conversion(const Type& from_type, const Type& to_type) {
  const Type& from = base_type(from_type);
  const Type& to = base_type(to_type);
  for (const Type* type : {&from, &to})
    if (auto why = why_not_carried(*type)) return Err(ErrorCode::unsupported, "{}", *why);
  if (from.kind == TypeKind::array && to.kind == TypeKind::array) return plan_arrays(from, to);
  if (same_values(from, to)) return make(Step::bytes, Fidelity::exact, from, to);
  if (is_exact_number(from) && is_exact_number(to)) return plan_numbers(from, to);
  if (named(from, "float4") && named(to, "float8"))
    return make(Step::float_to_double, Fidelity::exact, from, to);
  if (named(from, "float8") && named(to, "float4"))
    return make(Step::double_to_float, Fidelity::checked, from, to);
  if (is_text_like(from) && is_text_like(to)) {
    if (auto plan = plan_text_to_text(from, to)) return *plan;
  }
  for (auto plan : {plan_enumerations, plan_times, plan_bits, plan_json, plan_through_text})
    if (auto found = plan(from, to)) return *found;
  return no_way(from, to);
}

bool is_injective(const Conversion& conversion) {
  bool folds_case = conversion.to.name == "citext" && conversion.from.name != "citext";
  return !folds_case && conversion.fidelity != Fidelity::reshaped && conversion.step != Step::spelled_number;
}

Conversion narrowed_to_injective(Conversion conversion) {
  if (conversion.step == Step::spelled_number) conversion.step = Step::parsed;
  return conversion;
}

// A type below a domain carries its modifier apart from its name, and some names alone mean one character.
std::string sql_name(const Type& type) {
  if (type.kind == TypeKind::array && !type.is_builtin() && !type.inner.empty())
    return sql_name(type.inner.front()) + "[]";
  if (!type.is_builtin()) return quoted(TableName{type.schema, type.name});
  if (named(type, "bpchar")) return type.modifier < 4 ? "bpchar" : fmt::format("char({})", type.modifier - 4);
  if (named(type, "bit")) return type.modifier < 0 ? "\"bit\"" : fmt::format("bit({})", type.modifier);
  if (type.modifier < 0 || type.sql.find('(') != std::string::npos) return type.sql;
  if (named(type, "varchar")) return fmt::format("varchar({})", type.modifier - 4);
  if (auto shape = numeric_shape(type); shape && named(type, "numeric"))
    return fmt::format("numeric({},{})", shape->integer_digits + shape->scale, shape->scale);
  if (named(type, "varbit") || is_one_of(type.name, kTimes))
    return fmt::format("{}({})", type.name, type.modifier);
  return type.sql;
}

}  // namespace oxbow
