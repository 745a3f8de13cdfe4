// Finds a value inside the text of a JSON document, as PostgreSQL's operator #>> does, without building a
// tree. Works on json as it was written and on jsonb as it is printed. Takes arbitrary bytes: what is no JSON
// is `malformed`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace oxbow {

// The value at `path` as text: a string without quotes and escapes, anything else as it stands; nothing for
// null and where the path leads nowhere. An element of `path` is a key in an object and a number from 0 in an
// array. `row_rejected` where a key on the path occurs twice, because then the database's answer depends on
// json or jsonb.
Result<std::optional<std::string>> find_json_text(std::string_view document,
                                                  std::span<const std::string> path);

// True if the document names the character U+0000, which json can write down and no text can hold.
bool names_nul_character(std::string_view document);

// The same in SQL: the text `then_sql` unless `json_sql` names that character, which would be an error in
// most functions; then a text that `then_sql` cannot be.
std::string unless_nul_character_sql(std::string_view json_sql, std::string_view then_sql);

}  // namespace oxbow
