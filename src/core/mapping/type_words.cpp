#include "core/mapping/type_words.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace oxbow {
namespace {

struct Words {
  std::string head;      // "character varying", in lower case, one blank between words
  std::string modifier;  // "(20)", without blanks
};

Words take_apart(std::string_view text) {
  Words words;
  bool inside = false;
  for (char c : text) {
    bool blank = c == ' ' || c == '\t';
    inside = inside || c == '(';
    if (inside) {
      if (!blank) words.modifier += c;
    } else if (!blank) {
      words.head += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!words.head.empty() && words.head.back() != ' ') {
      words.head += ' ';
    }
    inside = inside && c != ')';
  }
  while (words.head.ends_with(' ')) words.head.pop_back();
  if (words.modifier.ends_with(",0)")) words.modifier.replace(words.modifier.size() - 3, 3, ")");
  return words;
}

// As format_type() prints it.
std::string full_name(std::string head) {
  using Pair = std::pair<std::string_view, std::string_view>;
  constexpr auto kShort = std::to_array<Pair>({{"int", "integer"},
                                               {"int2", "smallint"},
                                               {"int4", "integer"},
                                               {"int8", "bigint"},
                                               {"float", "double precision"},
                                               {"float4", "real"},
                                               {"float8", "double precision"},
                                               {"decimal", "numeric"},
                                               {"bool", "boolean"},
                                               {"varchar", "character varying"},
                                               {"char", "character"},
                                               {"bpchar", "character"},
                                               {"varbit", "bit varying"},
                                               {"time", "time without time zone"},
                                               {"timetz", "time with time zone"},
                                               {"timestamp", "timestamp without time zone"},
                                               {"timestamptz", "timestamp with time zone"}});
  std::string suffix;
  if (head.ends_with("[]")) {
    suffix = "[]";
    head.resize(head.size() - 2);
  }
  auto full = std::ranges::find(kShort, head, &Pair::first);
  return (full == kShort.end() ? head : std::string(full->second)) + suffix;
}

}  // namespace

bool names_type(std::string_view written, const Type& type) {
  if (written == type.name || written == type.sql || written == type.schema + "." + type.name) return true;
  auto wanted = take_apart(written), real = take_apart(type.sql);
  return full_name(wanted.head) == full_name(real.head) &&
         (wanted.modifier.empty() || wanted.modifier == real.modifier);
}

}  // namespace oxbow
