// The first byte chooses a type, the rest is taken for a value of it in binary, and in text. What is
// understood must survive the way to the other form and back.
#include <array>
#include <cstdint>

#include "base/assert.hpp"
#include "core/value/pg_values.hpp"

namespace {

using namespace oxbow;

// In the order of TYPES in make_seeds.py.
constexpr std::array<std::string_view, 18> kTypes = {
    "bool",        "int2", "int4",  "int8", "float4", "float8", "numeric", "date",   "timestamp",
    "timestamptz", "uuid", "bytea", "json", "jsonb",  "text",   "varchar", "bpchar", "name"};
constexpr std::size_t kFirstString = 12;  // from here on, bytes are text and need not be one the type takes

void check_text(const Type& type, std::string_view text, bool blanks_matter) {
  auto binary = text_to_binary(type, text);
  if (!binary) return;
  auto printed = binary_to_text(type, *binary);
  OXBOW_ASSERT(printed, "{} '{}' cannot be printed: {}", type.name, text, printed.error().detail);
  auto again = text_to_binary(type, *printed);
  OXBOW_ASSERT(again, "{} '{}' is printed as '{}', which is refused", type.name, text, *printed);
  OXBOW_ASSERT(again == binary || !blanks_matter, "{} '{}' is printed as '{}', another value", type.name,
               text, *printed);
}

void check_binary(const Type& type, std::string_view binary) {
  auto printed = binary_to_text(type, binary);
  if (!printed) return;
  auto again = text_to_binary(type, *printed);
  OXBOW_ASSERT(again, "{} '{}' is printed and refused: {}", type.name, *printed, again.error().detail);
  OXBOW_ASSERT(binary_to_text(type, *again) == printed, "{} '{}' changes when it is printed", type.name,
               *printed);
}

// Dividing by a factor undoes multiplying by it.
void check_arithmetic(std::string_view text) {
  auto comma = text.find(',');
  if (comma == text.npos) return;
  auto a = Decimal::parse(text.substr(0, comma)), b = Decimal::parse(text.substr(comma + 1));
  if (!a || !b || !a->is_finite() || !b->is_finite() || b->is_zero()) return;
  auto product = multiply(*a, *b);
  if (!product) return;
  auto quotient = divide(*product, *b);
  OXBOW_ASSERT(!quotient || quotient->compare(*a) == 0, "{} times and by {} is {}", to_string(*a),
               to_string(*b), to_string(*quotient));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto choice = data[0] % kTypes.size();
  Type type{.schema = "pg_catalog", .name = std::string(kTypes[choice]), .sql = std::string(kTypes[choice])};
  check_text(type, rest, type.name != "bpchar");
  if (choice < kFirstString) check_binary(type, rest);
  check_arithmetic(rest);
  return 0;
}
