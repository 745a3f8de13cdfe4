#include "core/spec/route_text.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/spec/answer_path.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_char(char c) {
  return is_letter(c) || is_digit(c) || c == '-';
}

using SegmentOrFault = std::expected<PathSegment, std::string>;

SegmentOrFault parse_parameter(std::string_view text) {
  auto name = text.substr(1, text.size() - 2);
  if (!name.empty() && is_letter(name.front()) && std::ranges::all_of(name, is_name_char))
    return PathSegment{.text = std::string(name), .is_parameter = true};
  return std::unexpected(
      fmt::format("has the parameter {}, which needs a name in braces, such as {{id}}", text));
}

SegmentOrFault parse_segment(std::string_view text) {
  if (text.starts_with('{') && text.ends_with('}')) return parse_parameter(text);
  if (text.find_first_of("{}") != std::string_view::npos)
    return std::unexpected(fmt::format("has '{}' in it; a parameter stands alone between two slashes", text));
  if (auto at = text.find_first_of("?#"); at != std::string_view::npos)
    return std::unexpected(fmt::format("ends at '{}'; a route cannot ask for a query", text[at]));
  if (auto at = text.find_first_of("%;\\"); at != std::string_view::npos)
    return std::unexpected(
        fmt::format("has a '{}' in it, with which no request is taken; write it decoded", text[at]));
  if (text == "." || text == "..")
    return std::unexpected(fmt::format("has the segment '{}', with which no request is taken", text));
  return PathSegment{.text = std::string(text)};
}

}  // namespace

std::expected<std::vector<PathSegment>, std::string> parse_path_template(std::string_view path) {
  std::vector<PathSegment> segments;
  std::size_t parameters = 0;
  for (std::size_t begin = 1; begin <= path.size();) {
    auto end = std::min(path.find('/', begin), path.size());
    if (end == begin && end != path.size())
      return std::unexpected("has two slashes in a row, with which no request is taken");
    auto segment = parse_segment(path.substr(begin, end - begin));
    if (!segment) return std::unexpected(std::move(segment.error()));
    if (segment->is_parameter && std::ranges::find(segments, *segment) != segments.end())
      return std::unexpected(fmt::format("names the parameter {{{}}} twice", segment->text));
    parameters += segment->is_parameter;
    segments.push_back(std::move(*segment));
    begin = end + 1;
  }
  if (parameters > kPathParametersMax)
    return std::unexpected(fmt::format("has more than {} parameters", kPathParametersMax));
  if (segments.size() > kPathSegmentsMax)
    return std::unexpected(fmt::format("has more than {} parts", kPathSegmentsMax));
  return segments;
}

std::string shape_of(const std::vector<PathSegment>& segments) {
  std::string shape;
  for (const auto& segment : segments) shape += segment.is_parameter ? "/{}" : "/" + segment.text;
  return shape;
}

std::optional<KeySource> parse_key_source(std::string_view text) {
  if (text == "none") return KeySource{};
  auto dot = text.find('.');
  if (dot == std::string_view::npos || dot + 1 == text.size()) return std::nullopt;
  auto part = std::ranges::find(kRequestPartNames, text.substr(0, dot));
  if (part == kRequestPartNames.end() || part == kRequestPartNames.begin()) return std::nullopt;
  KeySource source{.part = static_cast<RequestPart>(part - kRequestPartNames.begin()),
                   .name = std::string(text.substr(dot + 1))};
  if (source.part == RequestPart::body && !parse_dotted(source.name)) return std::nullopt;
  if (source.part == RequestPart::header && !is_field_name(source.name)) return std::nullopt;
  return source;
}

std::string to_string(const KeySource& source) {
  if (source.part == RequestPart::none) return "none";
  return fmt::format("{}.{}", name(source.part), source.name);
}

bool is_answer_path(std::string_view text) {
  return parse_answer_path(text).has_value();
}

bool is_redactable(std::string_view text) {
  if (is_answer_path(text)) return true;
  auto source = parse_key_source(text);
  return source && (source->part == RequestPart::header || source->part == RequestPart::query ||
                    source->part == RequestPart::path);
}

bool is_field_name(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() &&
         std::ranges::all_of(text, [&](char c) { return is_letter(c) || is_digit(c) || marks.contains(c); });
}

}  // namespace oxbow
