// How a value of one type becomes the same value of another type: exactly, or not at all. plan_conversion()
// decides from the two types, once; convert() does it per value in C++; compared_sql() says how the two
// databases print both values so that equal values have equal bytes. Pure functions over immutable values;
// safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/catalog.hpp"

namespace oxbow {

enum class Fidelity {
  exact,     // every value has an image, and the image has only this origin
  checked,   // a value that has no exact image is rejected together with its row
  reshaped,  // the meaning stays, the written form does not: json becomes jsonb
};

struct Conversion {
  enum class Step {
    bytes,              // the bytes mean the same in both types
    array_of_own_type,  // the same but for the element type's oid in the header, which differs between
                        // databases
    text_within,        // a text that must not be longer than the new type takes
    text_unpadded,      // the blanks that pad a bpchar are no part of its value
    text_to_padded,     // a text that ends in a blank would lose it in a bpchar
    label,              // a text that must be a label of the new enumeration
    integer,            // between int2, int4 and int8
    number,             // between integers and numeric
    float_to_double,
    double_to_float,  // only what a float holds without rounding
    coarser_time,     // only what the new type's precision holds without rounding
    date_to_timestamp,
    timestamp_to_date,  // only midnight
    json_from_jsonb,
    jsonb_from_json,
    printed,         // any type to text, as the database prints it
    parsed,          // text to any type; only the spelling that the database itself prints
    spelled_number,  // text to a number; plain decimal notation, also with needless zeros
  };

  Step step = Step::bytes;
  Fidelity fidelity = Fidelity::exact;
  Type from;  // both below any domains
  Type to;
};

// `unsupported` with the reason if no exact way is known.
Result<Conversion> plan_conversion(const Type& from, const Type& to);

// For values that identify a row: different old values must have different images.
bool is_injective(const Conversion& conversion);

// The same conversion made injective by taking fewer values, where that is possible.
Conversion narrowed_to_injective(Conversion conversion);

// Appends the image of `value`. `row_rejected` if it has none, `malformed` if `value` is not of type `from`.
// On error `out` holds what it held.
Status convert(const Conversion& conversion, std::string_view value, std::string& out);

// SQL over one row of each side. Evaluated with DateStyle ISO, TimeZone UTC, bytea_output hex and
// extra_float_digits 1.
struct ComparedSql {
  std::string legacy;
  std::string new_side;
};

// `legacy` yields the value before the conversion, `new_side` the one after it. The result never raises an
// error for a value that convert() rejects, so that one bad row cannot stop a comparison.
ComparedSql compared_sql(const Conversion& conversion, std::string_view legacy, std::string_view new_side);

// Why values of this type cannot leave their database, or nothing if they can.
std::optional<std::string> why_not_carried(const Type& type);

// The type's name for SQL that runs with any search_path.
std::string sql_name(const Type& type);

bool is_text_like(const Type& type);              // text, varchar, bpchar, name, citext and domains over them
std::optional<int> length_max(const Type& type);  // in characters; of a varchar(n) or bpchar(n)

// A value for a sentence: at most about 60 bytes of it, in quotes.
std::string shown(std::string_view value);

}  // namespace oxbow
