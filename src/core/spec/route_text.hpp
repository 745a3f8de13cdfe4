// The small languages inside a route: its path with parameters, where its key is, paths into an answer, names
// of header fields.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/route.hpp"

namespace oxbow {

inline constexpr std::size_t kPathParametersMax = 8;
inline constexpr std::size_t kPathSegmentsMax = 32;

struct PathSegment {
  std::string text;  // of a literal as it is after decoding; of a parameter its name
  bool is_parameter = false;

  friend bool operator==(const PathSegment&, const PathSegment&) = default;
};

// "/payments/{payment_id}" as its segments; a slash at the end is an empty segment of its own. Else what is
// wrong with it, to be put behind "the path /... ".
std::expected<std::vector<PathSegment>, std::string> parse_path_template(std::string_view path);

// The same for two templates that match the same paths: "/payments/{}".
std::string shape_of(const std::vector<PathSegment>& segments);

std::optional<KeySource> parse_key_source(std::string_view text);  // path.id, header.X-Id, body.a.b, none
std::string to_string(const KeySource& source);

bool is_answer_path(std::string_view text);  // $, $.items[*].price, $..updated_at, $["unit price"]
bool is_field_name(std::string_view text);
bool is_redactable(std::string_view text);  // an answer path, header.X-Account, query.x, path.x

}  // namespace oxbow
