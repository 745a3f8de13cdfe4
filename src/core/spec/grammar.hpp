// The grammar of the spec as tables: which keys an object may have, what its values look like and what they
// mean. Files are checked against these tables and the JSON Schema is printed from them, so the two cannot
// disagree. Constants with the life of the program.
#pragma once

#include <span>
#include <string_view>

namespace oxbow {

// A value that is one word or text.
struct ScalarShape {
  std::string_view expected;  // "a duration such as 500ms, 15m or 90d"
  bool (*accepts)(std::string_view) = nullptr;
  std::string_view pattern = {};  // the same for editors, as far as a pattern can say it; empty: any
  std::span<const std::string_view> words = {};  // a closed list instead of a pattern
  bool may_be_number = false;                    // an editor sees a number where we read text
  bool may_be_boolean = false;
};

struct Shape;

struct KeyShape {
  std::string_view name;
  const Shape* value;
  bool required = false;
  std::string_view doc = {};  // one sentence, shown by editors
};

struct Shape {
  enum class Kind { scalar, object, list, map, forms };

  Kind kind;
  std::string_view name;      // "table": names the definition in the schema
  std::string_view expected;  // "a list of tables"
  const ScalarShape* scalar = nullptr;
  std::span<const KeyShape> keys = {};  // of an object
  std::string_view tag = {};            // the key that tells this object from the other forms; empty: none
  const Shape* element = nullptr;       // of a list or a map
  std::string_view element_noun = {};   // of a map: "column", for messages about one entry
  const ScalarShape* map_key = nullptr;
  std::span<const Shape* const> forms = {};  // a value may have any one of these shapes
};

// The whole file.
const Shape& spec_shape();

}  // namespace oxbow
