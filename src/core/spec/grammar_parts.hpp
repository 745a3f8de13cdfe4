// Pieces that the sources of the grammar share, for them only: common scalars, and the makers of shapes. All
// constants are there before main() runs.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "core/spec/grammar.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow::grammar {

using Kind = Shape::Kind;

// ---- scalars ----

template <auto parse>
bool parses(std::string_view text) {
  return parse(text).has_value();
}
inline bool is_any(std::string_view) {
  return true;
}
inline bool is_filled(std::string_view text) {
  return !text.empty();
}

inline bool is_rate(std::string_view text) {
  return parse_count(text).value_or(0) > 0;
}
inline bool is_factor(std::string_view text) {
  auto digits = text.find_first_not_of("0123456789.");
  auto dot = text.find('.');
  return digits == std::string_view::npos && text.find('.', dot + 1) == std::string_view::npos && dot != 0 &&
         dot + 1 != text.size() && text.find_first_of("123456789") != std::string_view::npos;
}
inline constexpr ScalarShape kText = {
    .expected = "a text", .accepts = is_any, .may_be_number = true, .may_be_boolean = true};
inline constexpr ScalarShape kFilled = {.expected = "a text",
                                        .accepts = is_filled,
                                        .pattern = "^.+",
                                        .may_be_number = true,
                                        .may_be_boolean = true};
inline constexpr ScalarShape kName = {.expected = "a name: a letter, then at most 39 letters, digits, - or _",
                                      .accepts = is_plain_name,
                                      .pattern = "^[A-Za-z][A-Za-z0-9_-]{0,39}$"};
inline constexpr ScalarShape kTable = {
    .expected = "a table such as public.payments, or \"we ird\".\"ta.ble\" in double quotes",
    .accepts = parses<parse_table_name>,
    .pattern = R"re(^([^."]+|"([^"]|"")+")([.]([^."]+|"([^"]|"")+"))?$)re"};
inline constexpr ScalarShape kDuration = {.expected = "a duration such as 500ms, 15m, 2h or 90d",
                                          .accepts = parses<parse_duration>,
                                          .pattern = "^[0-9]+(ms|s|m|h|d)$"};
inline constexpr ScalarShape kSize = {.expected = "a size such as 50MB or 10GB",
                                      .accepts = parses<parse_size>,
                                      .pattern = "^[0-9]+(B|kB|KB|MB|GB|TB)$"};
inline constexpr ScalarShape kRate = {.expected = "a whole number above 0; leave it out for no limit",
                                      .accepts = is_rate,
                                      .pattern = "^0*[1-9][0-9]*$",
                                      .may_be_number = true};
inline constexpr ScalarShape kFactor = {.expected = "a factor above 0, such as 100",
                                        .accepts = is_factor,
                                        .pattern = "^[0-9]+([.][0-9]+)?$",
                                        .may_be_number = true};

inline constexpr std::array<std::string_view, 1> kTrueWords = {"true"};
inline constexpr ScalarShape kTrue = {.expected = "true", .words = kTrueWords, .may_be_boolean = true};

// ---- shapes ----

constexpr Shape one(const ScalarShape& scalar, std::string_view name) {
  return {.kind = Kind::scalar, .name = name, .expected = scalar.expected, .scalar = &scalar};
}
constexpr Shape object(std::string_view name, std::string_view expected, std::span<const KeyShape> keys,
                       std::string_view tag = {}) {
  return {.kind = Kind::object, .name = name, .expected = expected, .keys = keys, .tag = tag};
}
constexpr Shape list_of(const Shape& element, std::string_view name, std::string_view expected) {
  return {.kind = Kind::list, .name = name, .expected = expected, .element = &element};
}
constexpr Shape map_of(const ScalarShape& key, const Shape& element, std::string_view noun,
                       std::string_view name, std::string_view expected) {
  return {.kind = Kind::map,
          .name = name,
          .expected = expected,
          .element = &element,
          .element_noun = noun,
          .map_key = &key};
}
constexpr Shape any_of(std::span<const Shape* const> forms, std::string_view name,
                       std::string_view expected) {
  return {.kind = Kind::forms, .name = name, .expected = expected, .forms = forms};
}

inline constexpr bool kRequired = true;
inline constexpr bool kOptional = false;

inline constexpr Shape kTextValue = one(kText, "text");
inline constexpr Shape kFilledValue = one(kFilled, "filled_text");
inline constexpr Shape kNameValue = one(kName, "name");
inline constexpr Shape kTableValue = one(kTable, "table_name");
inline constexpr Shape kDurationValue = one(kDuration, "duration");
inline constexpr Shape kSizeValue = one(kSize, "size");
inline constexpr Shape kRateValue = one(kRate, "rate");
inline constexpr Shape kFactorValue = one(kFactor, "factor");
inline constexpr Shape kTrueValue = one(kTrue, "true");
inline constexpr Shape kTextList = list_of(kFilledValue, "text_list", "a list such as [\"4711\", \"4712\"]");
inline constexpr Shape kLabelMap = map_of(kText, kTextValue, "value", "label_map",
                                          "a map from legacy values to new values such as {A: authorised}");
inline constexpr KeyShape kWhy = {"why", &kFilledValue, kOptional, "The reason, for those who come later."};

// ---- what other sources define ----

extern const Shape kRoutes;  // of an entity
extern const Shape kGateway;
extern const Shape kServices;  // of a system
extern const Shape kHealthPath;

}  // namespace oxbow::grammar
