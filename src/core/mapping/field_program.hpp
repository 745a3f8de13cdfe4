// How one field of a target tuple comes from fields of a source tuple: what compile_mapping() found out once,
// so that RowMapper only has to do it. Immutable values.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/mapping/conversion.hpp"
#include "core/value/decimal.hpp"

namespace oxbow {

// One value of the same or another type.
struct ConvertField {
  Conversion conversion;
};

// A number times a factor, or divided by it.
struct ScaleField {
  Decimal factor;
  bool divides = false;
  Type from;
  Type to;
};

struct BytesHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view bytes) const { return std::hash<std::string_view>()(bytes); }
};

// Another value for each listed value, both in binary.
struct LookUpField {
  Type from;
  std::unordered_map<std::string, std::string, BytesHash, std::equal_to<>> images;
};

// Several values as one text; NULL if one of them is.
struct ConcatField {
  std::vector<Type> from;
  std::string separator;
  Conversion conversion;  // of the whole text
  bool comes_apart =
      false;  // only what would be cut into the same values again; NULL only if all of them are
};

// The part of a text between two separators; the last part takes what is left.
struct SplitField {
  Type from;
  std::string separator;
  std::size_t part = 0;
  std::size_t parts = 0;
  Conversion conversion;  // of the part
};

// A value inside a JSON document, as text.
struct JsonField {
  std::vector<std::string> path;
  bool is_jsonb = false;
  Conversion conversion;  // of the text found
};

// The same value in every row.
struct ConstantField {
  std::string bytes;
};

// Computed by the receiving database from staged values: NULL, or unsent where a value that it reads is.
struct ComputedField {};

struct FieldProgram {
  std::string column;              // for messages: the new column
  std::vector<std::size_t> reads;  // places in the source tuple
  std::variant<ConvertField, ScaleField, LookUpField, ConcatField, SplitField, JsonField, ConstantField,
               ComputedField>
      step;

  // The field's bytes are those of source field `reads[0]`.
  bool is_pass_through() const {
    auto* convert_field = std::get_if<ConvertField>(&step);
    return convert_field && convert_field->conversion.step == Conversion::Step::bytes;
  }
};

}  // namespace oxbow
