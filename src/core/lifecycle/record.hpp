// A flat record as canonical JSON: keys sorted, no spaces, one way to write each value. The same record has
// the same bytes on every machine and in every version, which the hash chain of the journal rests on. No
// floating point.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace oxbow {

using RecordValue = std::variant<std::string, std::uint64_t, std::vector<std::string>>;
using Record = std::map<std::string, RecordValue, std::less<>>;

std::string to_canonical(const Record& record);

// Accepts canonical text only: parsing and writing again gives the same bytes. `malformed` with the offset.
Result<Record> parse_canonical(std::string_view text);

// Fields that must be there, by type; `malformed` naming the field.
Result<std::string> text_field(const Record& record, std::string_view key);
Result<std::uint64_t> number_field(const Record& record, std::string_view key);
Result<std::vector<std::string>> list_field(const Record& record, std::string_view key);

}  // namespace oxbow
