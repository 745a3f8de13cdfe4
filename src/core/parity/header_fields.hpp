// Header fields of two answers, compared by what they mean: media types without regard to case and blanks,
// cookies one by one. Pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/parity/rules.hpp"
#include "model/comparison.hpp"
#include "model/http_message.hpp"

namespace oxbow {

struct MediaType {
  enum class Json { no, yes, unknown };  // unknown: there is no Content-Type

  Json json = Json::unknown;
  bool is_utf8 = true;  // as JSON must be; false if a charset says something else
};

MediaType media_type(const HeaderFields& fields);

// "application/json;charset=utf-8": lower case, without blanks and quotes.
std::string canonical_media_type(std::string_view value);

// Content-Type, Location, `names`, and what rules name. The time of a cookie's Expires is left out, since it
// hangs on when the answer was made; that there is one is not.
std::vector<AnswerDifference> compare_fields(const HeaderFields& legacy, const HeaderFields& new_side,
                                             const CompareRules& rules, std::span<const std::string> names,
                                             std::size_t excerpt_bytes_max);

}  // namespace oxbow
