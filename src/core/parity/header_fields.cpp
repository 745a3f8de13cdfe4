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

// By what a client tells cookies apart.
struct CookieIdentity {
  std::string name;
  std::string domain;
  std::string path;

  friend auto operator<=>(const CookieIdentity&, const CookieIdentity&) = default;
};

struct Cookie {
  std::string value;
  std::map<std::string, std::string> attributes;

  std::string attribute(const std::string& name) const {
    auto found = attributes.find(name);
    return found == attributes.end() ? std::string() : found->second;
  }
};

bool has_case(std::string_view attribute) {
  return attribute != "domain" && attribute != "samesite";
}

// RFC 6265, 5.2.3 and 5.2.4: a point before a domain means nothing, and neither does a path without a slash
// at its beginning.
void normalise(std::map<std::string, std::string>& attributes) {
  if (auto domain = attributes.find("domain"); domain != attributes.end() && domain->second.starts_with('.'))
    domain->second.erase(0, 1);
  if (auto path = attributes.find("path"); path != attributes.end() && !path->second.starts_with('/'))
    attributes.erase(path);
}

// One with the same identity replaces what came before.
void set_cookie(std::string_view field, std::map<CookieIdentity, Cookie>& cookies) {
  auto pair = take_part(field, ';');
  std::string name;
  append_path_step(take_part(pair, '='), name);
  Cookie cookie{.value = std::string(without_quotes(trim_blanks(pair))), .attributes = {}};
  while (!field.empty()) {
    auto attribute = take_part(field, ';');
    auto key = lowered(take_part(attribute, '='));
    auto value = trim_blanks(attribute);
    if (key.empty()) continue;
    cookie.attributes[key] = key == "expires" ? "" : has_case(key) ? std::string(value) : lowered(value);
  }
  normalise(cookie.attributes);
  CookieIdentity identity{std::move(name), cookie.attribute("domain"), cookie.attribute("path")};
  cookies[std::move(identity)] = std::move(cookie);
}

// Cookies of one name are numbered in the order of their domains and paths, because the order in which they
// are set has no meaning.
Facts facts_of_cookies(const HeaderFields& fields) {
  std::map<CookieIdentity, Cookie> cookies;
  for (const auto& field : fields)
    if (same_field_name(field.name, "set-cookie")) set_cookie(field.value, cookies);
  Facts facts;
  std::string_view name;
  int number = 0;
  for (const auto& [identity, cookie] : cookies) {
    number = identity.name == name ? number + 1 : 0;
    name = identity.name;
    auto part = number == 0 ? identity.name : fmt::format("{}[{}]", identity.name, number);
    facts[part] = cookie.value;
    for (const auto& [key, value] : cookie.attributes) facts[fmt::format("{};{}", part, key)] = value;
  }
  return facts;
}

Facts facts_of(const HeaderFields& fields, std::string_view name) {
  if (same_field_name(name, "set-cookie")) return facts_of_cookies(fields);
  Facts facts;
  for (const auto& field : fields) {
    if (!same_field_name(field.name, name)) continue;
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
