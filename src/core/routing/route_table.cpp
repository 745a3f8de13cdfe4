#include "core/routing/route_table.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/assert.hpp"
#include "core/cohort/cohorts.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

constexpr auto literal_of = [](const auto& child) { return std::string_view(child.first); };

std::size_t conditions_of(const Route& route) {
  return route.headers.size() + (route.host.empty() ? 0 : 1);
}

// "api.example.com:8080" without its port and a dot at the end.
std::string_view host_name(std::string_view host) {
  auto port = host.starts_with('[') ? host.find(':', host.find(']')) : host.find(':');
  host = host.substr(0, port);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

// A field that came with two values holds for one reader and not for another.
enum class Holds { no, yes, unsure };

Holds field_holds(const HeaderFields& fields, std::string_view name, std::string_view value) {
  bool same = false, other = false;
  for (const auto& field : fields)
    if (same_field_name(field.name, name)) (field.value == value ? same : other) = true;
  if (same && other) return Holds::unsure;
  return same ? Holds::yes : Holds::no;
}

Holds conditions_hold(const Route& route, const RequestHead& head) {
  if (!route.host.empty() && !same_field_name(host_name(head.host), route.host)) return Holds::no;
  auto all = Holds::yes;
  for (const auto& [name, value] : route.headers) {
    auto holds = field_holds(head.fields, name, value);
    if (holds == Holds::no) return Holds::no;
    if (holds == Holds::unsure) all = Holds::unsure;
  }
  return all;
}

RoutedRoute compile_route(const EntitySpec& entity, std::uint32_t index, const Route& route) {
  RoutedRoute routed{.entity = index,
                     .route = route,
                     .moves_at = State::new_write,
                     .key_parameter = 0,
                     .body_path = {},
                     .segments = *parse_path_template(route.path),
                     .shadow_segments = {}};
  if (route.read) routed.moves_at = entity.reads.at(*route.read);
  if (!route.shadow.path.empty()) routed.shadow_segments = *parse_path_template(route.shadow.path);
  if (!route.key) return routed;
  if (route.key->part == RequestPart::body) routed.body_path = *parse_dotted(route.key->name);
  if (route.key->part != RequestPart::path) return routed;
  for (const auto& segment : routed.segments) {
    if (!segment.is_parameter) continue;
    if (segment.text == route.key->name) return routed;
    ++routed.key_parameter;
  }
  OXBOW_ASSERT(false, "the key of {} is no part of its path", route.path);
  return routed;
}

}  // namespace

struct RouteTable::Search {
  const RequestHead& head;
  const RequestPath& path;
  RouteMatch& match;
};

RouteTable RouteTable::compile(const Spec& spec, const KeyKinds& kinds) {
  RouteTable table;
  table.spec_hash_ = spec.hash;
  table.shadow_salt_ = fmt::format("{}:shadow", spec.migration);
  table.nodes_.emplace_back();
  for (std::uint32_t i = 0; i < spec.entities.size(); ++i) {
    const auto& entity = spec.entities[i];
    RoutedEntity routed{.name = entity.name,
                        .cohorts = resolve_cohorts(entity, spec.migration),
                        .cohort_names = {},
                        .key_kind = kind_in(kinds, entity.name)};
    for (const auto& cohort : entity.cohorts) routed.cohort_names.push_back(cohort.name);
    table.entities_.push_back(std::move(routed));
    for (const auto& route : entity.routes) table.add(compile_route(entity, i, route));
  }
  return table;
}

void RouteTable::add(RoutedRoute route) {
  std::uint32_t node = 0;
  for (const auto& segment : route.segments) {
    auto next = static_cast<std::uint32_t>(nodes_.size());
    auto& literals = nodes_[node].literals;
    auto known = std::ranges::find(literals, segment.text, literal_of);
    if (segment.is_parameter && nodes_[node].parameter) {
      next = *nodes_[node].parameter;
    } else if (segment.is_parameter) {
      nodes_[node].parameter = next;
    } else if (known != literals.end()) {
      next = known->second;
    } else {
      literals.emplace(std::ranges::lower_bound(literals, segment.text, {}, literal_of), segment.text, next);
    }
    if (next == nodes_.size()) nodes_.emplace_back();
    node = next;
  }
  auto& ending = nodes_[node].routes;
  auto more = [&](std::uint32_t other) {
    return conditions_of(routes_[other].route) >= conditions_of(route.route);
  };
  ending.insert(std::ranges::find_if_not(ending, more), static_cast<std::uint32_t>(routes_.size()));
  routes_.push_back(std::move(route));
}

RouteMatch RouteTable::match(const RequestHead& head) const {
  RouteMatch match;
  auto path = read_request_path(head.path());
  if (path.fault != PathFault::none) {
    match.unlisted = Unlisted::odd_path;
    match.fault = path.fault;
    return match;
  }
  match.unlisted = Unlisted::no_route;
  Search found{head, path, match};
  if (search(found, 0, 0, 0)) match.unlisted = match.route ? Unlisted::no : Unlisted::two_values;
  return match;
}

std::optional<std::uint32_t> RouteTable::find_literal(const Node& node, std::string_view text) {
  auto at = text.contains('%')
                ? std::ranges::find_if(
                      node.literals, [&](auto literal) { return is_same_segment(text, literal); }, literal_of)
                : std::ranges::lower_bound(node.literals, text, {}, literal_of);
  if (at == node.literals.end() || !is_same_segment(text, at->first)) return std::nullopt;
  return at->second;
}

// True: the search is over, with a route or because nobody can be sure of one.
bool RouteTable::search(Search& search_, std::uint32_t index, std::size_t segment,
                        std::size_t parameter) const {
  const auto& node = nodes_[index];
  if (segment == search_.path.count) {
    if (take_route(search_, node, search_.head.method)) return true;
    return search_.head.method == "HEAD" && take_route(search_, node, "GET");
  }
  auto text = search_.path.segments[segment];
  if (auto next = find_literal(node, text); next && search(search_, *next, segment + 1, parameter))
    return true;
  if (!node.parameter || text.empty()) return false;
  search_.match.parameters[parameter] = text;
  return search(search_, *node.parameter, segment + 1, parameter + 1);
}

bool RouteTable::take_route(Search& search, const Node& node, std::string_view method) const {
  auto& unlisted = search.match.unlisted;
  for (auto index : node.routes) {
    const auto& route = routes_[index].route;
    if (route.method != method) {
      if (unlisted == Unlisted::no_route) unlisted = Unlisted::other_method;
      continue;
    }
    auto holds = conditions_hold(route, search.head);
    if (holds == Holds::unsure) return true;
    unlisted = Unlisted::other_conditions;
    if (holds == Holds::no) continue;
    search.match.route = index;
    return true;
  }
  return false;
}

}  // namespace oxbow
