// Two bytes choose two types, the rest is taken for a value of the first one, and for a JSON document. A
// conversion gives an image or an error, and an error leaves no trace in the output. An exact conversion is
// undone by its inverse.
#include <array>
#include <cstdint>

#include "base/assert.hpp"
#include "core/mapping/conversion.hpp"
#include "core/mapping/json_text.hpp"
#include "core/mapping/sql_words.hpp"
#include "core/value/pg_values.hpp"

namespace {

using namespace oxbow;

Type named(std::string_view name, std::int32_t modifier = -1) {
  return {.modifier = modifier, .schema = "pg_catalog", .name = std::string(name), .sql = std::string(name)};
}

std::vector<Type> make_types() {
  std::vector<Type> types;
  for (const auto* name : {"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "date", "timestamp",
                           "timestamptz", "uuid", "bytea", "json", "jsonb", "text", "name", "time"})
    types.push_back(named(name));
  types.push_back(named("numeric", (6 << 16 | 2) + 4));
  types.push_back(named("varchar", 3 + 4));
  types.push_back(named("bpchar", 3 + 4));
  types.push_back(named("bpchar", 5 + 4));
  types.push_back(named("timestamp", 3));
  for (std::uint32_t own : {70'001, 80'002}) {
    Type mood{.oid = own, .schema = "app", .name = "mood", .sql = "app.mood", .kind = TypeKind::enumeration};
    mood.labels =
        own == 70'001 ? std::vector<std::string>{"sad", "ok"} : std::vector<std::string>{"ok", "fine"};
    types.push_back(mood);
    mood.labels = {"sad", "ok"};
    Type moods{
        .oid = own + 1, .schema = "app", .name = "_mood", .sql = "app.mood[]", .kind = TypeKind::array};
    moods.inner.push_back(mood);
    types.push_back(moods);
  }
  return types;
}

void check_conversion(const Type& from, const Type& to, std::string_view value) {
  auto conversion = plan_conversion(from, to);
  if (!conversion) return;
  std::string out = "before";
  if (!convert(*conversion, value, out)) {
    OXBOW_ASSERT(out == "before", "{} to {} leaves {} bytes behind", from.sql, to.sql, out.size());
    return;
  }
  OXBOW_ASSERT(out.starts_with("before"), "{} to {} changes what was there", from.sql, to.sql);
  auto back = plan_conversion(to, from);
  if (!back || !is_injective(*conversion) || !has_text_codec(from)) return;
  auto printed = binary_to_text(from, value);
  if (!printed) return;  // bytes that no server sends
  std::string again;
  if (!convert(*back, std::string_view(out).substr(6), again)) return;
  auto printed_again = binary_to_text(from, again);
  bool same = printed_again == printed;
  if (is_exact_number(from) && printed_again)
    same = decode_decimal(from, value)->compare(*decode_decimal(from, again)) == 0;
  OXBOW_ASSERT(same, "{} '{}' comes back from {} as another value", from.sql, *printed, to.sql);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto types = make_types();
  if (size < 2) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data + 2), size - 2);
  check_conversion(types[data[0] % types.size()], types[data[1] % types.size()], rest);

  constexpr std::array<std::string_view, 2> kPath = {"a", "0"};
  std::vector<std::string> path(kPath.begin(), kPath.begin() + data[0] % 3);
  (void)find_json_text(rest, path);
  (void)names_nul_character(rest);
  (void)possible_column_names(rest);
  return 0;
}
