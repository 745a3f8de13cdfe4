// Which route of the spec a request takes. Made once from a spec, then immutable: any number of threads may
// ask. match() allocates nothing; its views live as long as the request's head.
//
// Of several routes with a fitting path, the one written out furthest to the left is taken; of routes with
// one path, the one with more conditions. The order of the spec never matters: what it could decide is
// refused by parse_spec().
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/routing/key_kinds.hpp"
#include "core/routing/request_path.hpp"
#include "core/spec/route_text.hpp"
#include "model/cohort.hpp"
#include "model/http_message.hpp"
#include "model/spec.hpp"

namespace oxbow {

// An entity as far as requests need it. The index is that of Spec::entities.
struct RoutedEntity {
  std::string name;
  CohortTable cohorts;
  std::vector<std::string> cohort_names;
  KeyKind key_kind = KeyKind::unknown;
};

struct RoutedRoute {
  std::uint32_t entity = 0;
  Route route;
  State moves_at = State::new_write;   // the state in which its reads move; of a write, that of the authority
  std::size_t key_parameter = 0;       // of a key in the path: which parameter
  std::vector<std::string> body_path;  // of a key in the body: its members
  std::vector<PathSegment> segments;   // of the path
  std::vector<PathSegment> shadow_segments;  // of the safe path of a write; empty: none
};

enum class Unlisted { no, no_route, other_method, other_conditions, two_values, odd_path };

inline constexpr std::array kUnlistedNames = {
    std::string_view("no"),           std::string_view("no-route"),
    std::string_view("other-method"), std::string_view("other-conditions"),
    std::string_view("two-values"),   std::string_view("odd-path")};

constexpr std::string_view name(Unlisted unlisted) {
  return kUnlistedNames[static_cast<std::size_t>(unlisted)];
}

struct RouteMatch {
  std::optional<std::uint32_t> route;  // index into RouteTable::routes(); none: legacy answers
  Unlisted unlisted = Unlisted::no;    // why there is none
  PathFault fault = PathFault::none;   // of `odd_path`
  std::array<std::string_view, kPathParametersMax> parameters;  // in the order of the path, escapes and all
};

class RouteTable {
 public:
  // REQUIRES: a spec without mistakes. `kinds` is empty as long as nobody has asked the database.
  static RouteTable compile(const Spec& spec, const KeyKinds& kinds = {});

  RouteMatch match(const RequestHead& head) const;

  const std::vector<RoutedRoute>& routes() const { return routes_; }
  const std::vector<RoutedEntity>& entities() const { return entities_; }
  const std::string& spec_hash() const { return spec_hash_; }
  const std::string& shadow_salt() const { return shadow_salt_; }

 private:
  struct Node {
    std::vector<std::pair<std::string, std::uint32_t>> literals;  // sorted
    std::optional<std::uint32_t> parameter;
    std::vector<std::uint32_t> routes;  // that end here, those with more conditions first
  };
  struct Search;

  static std::optional<std::uint32_t> find_literal(const Node& node, std::string_view text);

  void add(RoutedRoute route);
  bool search(Search& search, std::uint32_t node, std::size_t segment, std::size_t parameter) const;
  bool take_route(Search& search, const Node& node, std::string_view method) const;

  std::string spec_hash_;
  std::string shadow_salt_;
  std::vector<RoutedEntity> entities_;
  std::vector<RoutedRoute> routes_;
  std::vector<Node> nodes_;
};

}  // namespace oxbow
