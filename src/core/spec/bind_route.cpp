#include <algorithm>
#include <array>
#include <map>

#include "core/spec/bind.hpp"
#include "core/spec/route_text.hpp"
#include "core/spec/scalars.hpp"
#include "model/cohort.hpp"

namespace oxbow {
namespace {

std::optional<ReadClass> parse_read_class(std::string_view text) {
  auto at = std::ranges::find(kReadClassNames, text);
  if (at == kReadClassNames.end()) return std::nullopt;
  return static_cast<ReadClass>(at - kReadClassNames.begin());
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

using Names = std::vector<std::string_view>;

Names parameters_of(const std::vector<PathSegment>& segments) {
  Names names;
  for (const auto& segment : segments)
    if (segment.is_parameter) names.push_back(segment.text);
  return names;
}

bool carries_no_body(const Route& route) {
  return route.method == "GET" || route.method == "HEAD" || route.method == "OPTIONS";
}

// ---- whom a request touches ----

void bind_key(const SpecNode& node, std::string_view entity_key, const Names& parameters, Route& route,
              Mistakes& mistakes) {
  if (!node.find("key")) {
    bool named_like_it = std::ranges::find(parameters, entity_key) != parameters.end();
    route.key =
        named_like_it ? std::optional(KeySource{RequestPart::path, std::string(entity_key)}) : std::nullopt;
    return;
  }
  // One that was refused already reads as `none`, so that nobody misses it again.
  route.key = parsed_at(node, "key", parse_key_source).value_or(KeySource());
  auto mark = node.find("key")->mark;
  const auto& name = route.key->name;
  if (route.key->part == RequestPart::path && std::ranges::find(parameters, name) == parameters.end())
    mistakes.add_unknown_word(mark, fmt::format("the path {} has no parameter '{}'", route.path, name), name,
                              parameters);
  if (route.key->part == RequestPart::body && carries_no_body(route))
    mistakes.add(mark, "a {} has no body, so its key cannot be there", route.method);
}

void bind_conditions(const SpecNode& node, Route& route, Mistakes& mistakes) {
  route.host = lower(text_at(node, "host"));
  const auto* headers = decided(node, "headers");
  if (!headers) return;
  for (const auto& [key, value] : headers->entries) {
    if (is_undecided(value)) continue;
    auto name = lower(key.text);
    if (std::ranges::find(route.headers, name, &std::pair<std::string, std::string>::first) !=
        route.headers.end())
      mistakes.add(key.mark, "the header '{}' stands twice; its name has no case", key.text);
    if (name == "host")
      mistakes.add(key.mark, "the header 'host' is a condition of its own: host: {}", value.text);
    route.headers.emplace_back(std::move(name), value.text);
  }
  std::ranges::sort(route.headers);
}

std::vector<std::string> bind_compare_headers(const SpecNode& node) {
  auto names = texts_at(node, "compare_headers");
  for (auto& name : names) name = lower(name);
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

// ---- what is never kept ----

void check_redact(const SpecNode& node, const Route& route, const Names& parameters, Mistakes& mistakes) {
  const auto* list = decided(node, "redact");
  if (!list) return;
  for (const auto& item : list->items) {
    auto source = parse_key_source(item.text);
    if (!source || source->part != RequestPart::path) continue;
    if (std::ranges::find(parameters, source->name) == parameters.end())
      mistakes.add_unknown_word(item.mark,
                                fmt::format("the path {} has no parameter '{}'", route.path, source->name),
                                source->name, parameters);
  }
}

// ---- shadows ----

void check_shadow_path(const Route& route, Mark mark, const Names& parameters, Mistakes& mistakes) {
  auto segments = parse_path_template(route.shadow.path);
  if (!segments) return mistakes.add(mark, "the path {} {}", route.shadow.path, segments.error());
  for (auto name : parameters_of(*segments))
    if (std::ranges::find(parameters, name) == parameters.end())
      mistakes.add_unknown_word(mark, fmt::format("the path {} has no parameter '{}'", route.path, name),
                                name, parameters);
}

void bind_shadow(const SpecNode& node, const Names& parameters, Route& route, Mistakes& mistakes) {
  if (!route.write) route.shadow.buckets = kBucketCount;
  const auto* shadow = decided(node, "shadow");
  if (!shadow) return;
  if (shadow->is_scalar()) {
    route.shadow.buckets = parse_buckets(shadow->text).value_or(0);
    return;
  }
  route.shadow.buckets = parsed_at(*shadow, "percent", parse_buckets).value_or(0);
  const auto* path = decided(*shadow, "path");
  if (!path || !path->is_scalar() || !path->text.starts_with('/')) return;
  route.shadow.path = path->text;
  check_shadow_path(route, path->mark, parameters, mistakes);
}

}  // namespace

std::vector<std::string> bind_redact(const SpecNode& node) {
  auto redacted = texts_at(node, "redact");
  for (auto& text : redacted)
    if (text.starts_with("header.")) text = lower(text);
  return redacted;
}

std::vector<Route> bind_routes(const SpecNode& list, const EntitySpec& entity, Mistakes& mistakes) {
  std::vector<Route> routes;
  for (const auto& item : list.items) {
    auto words = parsed_at(item, "route", parse_route);
    if (!words) continue;
    Route route;
    route.method = words->first;
    route.path = words->second;
    route.mark = item.mark;
    route.read = parsed_at(item, "read", parse_read_class);
    route.write = item.find("write") != nullptr;
    route.operation_key = texts_at(item, "operation_key");
    route.switch_group = text_at(item, "switch_group");
    route.recheck_after = parsed_at(item, "recheck_after", parse_duration).value_or(route.recheck_after);
    auto segments = parse_path_template(route.path);
    if (!segments) mistakes.add(item.find("route")->mark, "the path {} {}", route.path, segments.error());
    auto parameters = segments ? parameters_of(*segments) : Names();
    route.key = KeySource();
    if (segments) bind_key(item, entity.key, parameters, route, mistakes);
    bind_conditions(item, route, mistakes);
    bind_shadow(item, parameters, route, mistakes);
    route.redact = bind_redact(item);
    check_redact(item, route, parameters, mistakes);
    route.compare_headers = bind_compare_headers(item);
    if (const auto* rules = decided(item, "compare")) bind_compare(*rules, entity, route, mistakes);
    routes.push_back(std::move(route));
  }
  return routes;
}

std::map<ReadClass, State> bind_reads(const SpecNode& node) {
  std::map<ReadClass, State> reads;
  for (const auto& [key, value] : node.entries) {
    auto read_class = parse_read_class(key.text);
    auto state = parse_state(value.text);
    if (read_class && state) reads.emplace(*read_class, *state);
  }
  return reads;
}

}  // namespace oxbow
