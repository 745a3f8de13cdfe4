#include "core/parity/ruled_scalar.hpp"

#include <algorithm>

#include "core/parity/instant_reader.hpp"
#include "core/parity/json_scanner.hpp"
#include "core/parity/json_string.hpp"

namespace oxbow {
namespace {

using Kind = CompareRule::Kind;

// Short enough to be compared with each value of a map.
bool is_number(std::string_view text) {
  JsonScanner scanner(text, 0);
  return !text.empty() && text.size() <= ExactNumber::kDigitsMax &&
         scanner.scan_number(scanner.begin()) == scanner.end();
}

bool same_text_or_number(std::string_view one, std::string_view other) {
  return one == other || (is_number(one) && is_number(other) && same_number(one, other));
}

const ReadyRule* first_of(const RulesHere& rules, Kind kind) {
  auto found = std::ranges::find(rules, kind, [](const ReadyRule* each) { return each->rule.kind; });
  return found == rules.end() ? nullptr : *found;
}

bool translate_by_map(const ReadyRule& rule, Scalar& legacy) {
  if (legacy.value_class == ValueClass::null) return false;
  auto entry = std::ranges::find_if(
      rule.rule.map, [&](const auto& pair) { return same_text_or_number(pair.first, legacy.text); });
  if (entry == rule.rule.map.end()) return false;
  legacy.text = entry->second;
  return true;
}

bool translate_by_factor(const ReadyRule& rule, Scalar& legacy) {
  auto number = ExactNumber::parse(legacy.text);
  if (!number) return false;
  auto product = multiply(*number, *rule.factor);
  legacy.text = product.digits.empty() ? "0" : product.digits + "e" + std::to_string(product.exponent);
  if (product.negative) legacy.text.insert(0, 1, '-');
  return true;
}

// A translated value is a text: the rule does not say whether the new side writes it as a string or a number.
bool translate(const RulesHere& rules, Scalar& legacy) {
  if (const auto* map = first_of(rules, Kind::map); map != nullptr && translate_by_map(*map, legacy))
    return true;
  const auto* scale = first_of(rules, Kind::scale);
  return scale != nullptr && translate_by_factor(*scale, legacy);
}

bool within_tolerance(const ReadyRule& rule, std::string_view one, std::string_view other) {
  auto a = ExactNumber::parse(one), b = ExactNumber::parse(other);
  if (!a || !b) return false;
  auto apart = distance(*a, *b);
  if (!apart) return false;
  if (rule.absolute && compare_sizes(*apart, *rule.absolute) <= 0) return true;
  const auto& larger = compare_sizes(*a, *b) >= 0 ? *a : *b;
  return rule.relative && compare_sizes(*apart, multiply(larger, *rule.relative)) <= 0;
}

std::optional<EpochNanoseconds> instant_of(const Scalar& value) {
  if (value.value_class == ValueClass::number) return read_instant_number(value.text);
  if (value.value_class == ValueClass::string) return read_instant_text(value.text);
  return std::nullopt;
}

bool within_skew(const ReadyRule& rule, const Scalar& one, const Scalar& other) {
  auto a = instant_of(one), b = instant_of(other);
  if (!a || !b) return false;
  auto apart = *a > *b ? *a - *b : *b - *a;
  return apart <= rule.rule.skew.count();
}

bool is_forgiven(const ReadyRule& rule, const Scalar& legacy, const Scalar& new_side, bool translated) {
  switch (rule.rule.kind) {
    case Kind::tolerance:
      return (translated || legacy.value_class == new_side.value_class) &&
             within_tolerance(rule, legacy.text, new_side.text);
    case Kind::time_skew:
      return within_skew(rule, legacy, new_side);
    case Kind::same_class:
      return same_class(rule, legacy.text, new_side.text);
    default:
      return false;
  }
}

}  // namespace

Scalar read_scalar(std::string_view json) {
  Scalar value{class_of(json.front()), {}};
  if (value.value_class == ValueClass::string) {
    append_unescaped(json.substr(1, json.size() - 2), value.text);
  } else {
    value.text = json;
  }
  return value;
}

bool same_under_rules(const RulesHere& rules, Scalar legacy, const Scalar& new_side) {
  bool translated = translate(rules, legacy);
  bool same =
      translated ? new_side.value_class != ValueClass::null && same_text_or_number(legacy.text, new_side.text)
      : legacy.value_class != new_side.value_class ? false
      : legacy.value_class == ValueClass::number   ? same_number(legacy.text, new_side.text)
                                                   : legacy.text == new_side.text;
  return same || std::ranges::any_of(rules, [&](const ReadyRule* each) {
           return is_forgiven(*each, legacy, new_side, translated);
         });
}

}  // namespace oxbow
