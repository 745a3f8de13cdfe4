#include "core/parity/header_fields.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "core/parity/ruled_scalar.hpp"
#include "core/parity/signature.hpp"
#include "core/spec/answer_path.hpp"
#include "core/value/scan.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kContentType = "content-type";
// What a client reads the body by, and where it goes next.
constexpr std::array<std::string_view, 2> kAlwaysCompared = {kContentType, "location"};

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

// Takes the part before `separator` off `rest`, without blanks around it.
std::string_view take_part(std::string_view& rest, char separator) {
  auto end = rest.find(separator);
  auto part = trim_blanks(rest.substr(0, end));
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return part;
}

std::string_view without_quotes(std::string_view text) {
  bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// What a field says, by the part of it: one part "" for most, several for cookies.
using Facts = std::map<std::string, std::string>;

void add_cookie(std::string_view field, Facts& facts) {
  auto pair = take_part(field, ';');
  std::string name;
  append_path_step(take_part(pair, '='), name);
  facts[name] = without_quotes(trim_blanks(pair));
  while (!field.empty()) {
    auto attribute = take_part(field, ';');
    auto key = lowered(take_part(attribute, '='));
    if (!key.empty())
      facts[fmt::format("{};{}", name, key)] = key == "expires" ? "" : lowered(trim_blanks(attribute));
  }
}

Facts facts_of(const HeaderFields& fields, std::string_view name) {
  Facts facts;
  for (const auto& field : fields) {
    if (!same_field_name(field.name, name)) continue;
    if (same_field_name(name, "set-cookie")) {
      add_cookie(field.value, facts);
      continue;
    }
    bool is_first = facts.empty();
    auto& all = facts[""];  // several fields of one name are one list
    all += is_first ? "" : ", ";
    all += name == kContentType ? canonical_media_type(field.value) : std::string(trim_blanks(field.value));
  }
  return facts;
}

AnswerDifference difference_at(std::string path, const std::string* legacy, const std::string* new_side,
                               std::size_t excerpt_bytes_max) {
  auto class_of_value = [](const std::string* value) {
    return value != nullptr ? ValueClass::string : ValueClass::none;
  };
  auto excerpt = [&](const std::string* value) {
    return value != nullptr ? excerpt_of(*value, excerpt_bytes_max) : std::string();
  };
  return {.kind = DifferenceKind::header,
          .path = path,
          .signature_path = std::move(path),
          .legacy_class = class_of_value(legacy),
          .new_class = class_of_value(new_side),
          .legacy_excerpt = excerpt(legacy),
          .new_excerpt = excerpt(new_side)};
}

bool differ(const RulesHere& rules, const std::string* legacy, const std::string* new_side) {
  if (legacy == nullptr || new_side == nullptr) return true;
  if (rules.empty()) return *legacy != *new_side;
  return !same_under_rules(rules, {ValueClass::string, *legacy}, {ValueClass::string, *new_side});
}

// Most answers are, and then nothing needs to be taken apart.
bool are_written_alike(const HeaderFields& legacy, const HeaderFields& new_side, std::string_view name) {
  auto one = legacy.begin(), other = new_side.begin();
  auto has_name = [&](const auto& field) { return same_field_name(field.name, name); };
  while (true) {
    one = std::find_if(one, legacy.end(), has_name);
    other = std::find_if(other, new_side.end(), has_name);
    if (one == legacy.end() || other == new_side.end()) return one == legacy.end() && other == new_side.end();
    if (one++->value != other++->value) return false;
  }
}

void compare_field(std::string_view name, const HeaderFields& legacy, const HeaderFields& new_side,
                   const CompareRules& rules, std::size_t excerpt_bytes_max,
                   std::vector<AnswerDifference>& out) {
  auto here = rules.of_header(name);
  auto ignores = [](const ReadyRule* each) { return each->rule.kind == CompareRule::Kind::ignore; };
  if (std::ranges::any_of(here, ignores)) return;
  auto one = facts_of(legacy, name), other = facts_of(new_side, name);
  auto find = [](const Facts& facts, const std::string& part) {
    auto found = facts.find(part);
    return found == facts.end() ? nullptr : &found->second;
  };
  auto all = one;
  all.insert(other.begin(), other.end());
  for (const auto& [part, unused] : all) {
    const auto *before = find(one, part), *after = find(other, part);
    if (differ(here, before, after))
      out.push_back(difference_at(fmt::format("header.{}{}", name, part), before, after, excerpt_bytes_max));
  }
}

}  // namespace

MediaType media_type(const HeaderFields& fields) {
  MediaType type;
  auto value = find_field(fields, kContentType);
  if (!value) return type;
  auto rest = *value;
  auto essence = take_part(rest, ';');
  auto is_json = [&](char before) {
    constexpr std::string_view kJson = "json";
    return essence.size() > kJson.size() && essence[essence.size() - kJson.size() - 1] == before &&
           equals_ignoring_case(essence.substr(essence.size() - kJson.size()), kJson);
  };
  type.json = is_json('/') || is_json('+') ? MediaType::Json::yes : MediaType::Json::no;
  while (!rest.empty()) {
    auto parameter = take_part(rest, ';');
    if (!equals_ignoring_case(take_part(parameter, '='), "charset")) continue;
    auto charset = without_quotes(trim_blanks(parameter));
    type.is_utf8 = equals_ignoring_case(charset, "utf-8") || equals_ignoring_case(charset, "utf8") ||
                   equals_ignoring_case(charset, "us-ascii");
  }
  return type;
}

std::string canonical_media_type(std::string_view value) {
  auto out = lowered(take_part(value, ';'));
  std::vector<std::string> parameters;
  while (!value.empty()) {
    auto parameter = take_part(value, ';');
    if (parameter.empty()) continue;
    auto key = take_part(parameter, '=');
    auto argument = without_quotes(trim_blanks(parameter));
    bool has_case = !equals_ignoring_case(key, "charset");
    parameters.push_back(
        fmt::format(";{}={}", lowered(key), has_case ? std::string(argument) : lowered(argument)));
  }
  std::ranges::sort(parameters);
  for (const auto& each : parameters) out += each;
  return out;
}

std::vector<AnswerDifference> compare_fields(const HeaderFields& legacy, const HeaderFields& new_side,
                                             const CompareRules& rules, std::span<const std::string> names,
                                             std::size_t excerpt_bytes_max) {
  std::vector<AnswerDifference> out;
  std::vector<std::string> compared = rules.header_names();
  for (const auto& each : names) compared.push_back(lowered(each));
  for (auto each : kAlwaysCompared)
    if (!are_written_alike(legacy, new_side, each)) compared.emplace_back(each);
  std::ranges::sort(compared);
  compared.erase(std::unique(compared.begin(), compared.end()), compared.end());
  for (const auto& each : compared) compare_field(each, legacy, new_side, rules, excerpt_bytes_max, out);
  return out;
}

}  // namespace oxbow
