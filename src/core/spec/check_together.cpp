#include <algorithm>
#include <map>
#include <set>

#include "core/spec/bind.hpp"
#include "core/spec/route_text.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

struct Owner {
  const EntitySpec* entity;
  Mark mark;
};

// A legacy table may feed several new tables of one entity; a new table is fed by one legacy table.
void check_tables(const Spec& spec, Mistakes& mistakes) {
  std::map<TableName, Owner> legacy_owner;
  std::map<TableName, const TableSpec*> fed;
  for (const auto& entity : spec.entities) {
    for (const auto& table : entity.tables) {
      if (!table.legacy.name.empty()) {
        auto [owner, is_new] = legacy_owner.emplace(table.legacy, Owner{&entity, table.mark});
        if (!is_new && owner->second.entity != &entity)
          mistakes.add(table.mark,
                       "legacy table {} belongs to entity '{}' already (line {}); a table has one entity",
                       to_string(table.legacy), owner->second.entity->name, owner->second.mark.line);
      }
      if (table.new_side.name.empty()) continue;
      auto [first, is_new] = fed.emplace(table.new_side, &table);
      if (is_new) continue;
      if (first->second->legacy == table.legacy) {
        mistakes.add(table.mark, "{} to {} is listed twice; first in line {}", to_string(table.legacy),
                     to_string(table.new_side), first->second->mark.line);
      } else {
        mistakes.add(table.mark,
                     "new table {} is fed by {} already (line {}); several legacy tables into one new "
                     "table are not supported",
                     to_string(table.new_side), to_string(first->second->legacy), first->second->mark.line);
      }
    }
  }
}

void check_excluded(const Spec& spec, const SpecNode& root, Mistakes& mistakes) {
  std::map<TableName, const EntitySpec*> owner;
  for (const auto& entity : spec.entities)
    for (const auto& table : entity.tables) owner.emplace(table.legacy, &entity);

  const auto* list = decided(root, "exclude");
  if (!list) return;
  std::set<TableName> seen;
  for (const auto& item : list->items) {
    auto table = parse_table_name(item.text);
    if (!table) continue;
    if (!seen.insert(*table).second)
      mistakes.add(item.mark, "{} stands twice in 'exclude'", to_string(*table));
    if (auto at = owner.find(*table); at != owner.end())
      mistakes.add(item.mark, "{} is excluded, but entity '{}' maps it; choose one", to_string(*table),
                   at->second->name);
  }
}

// What a request must have besides method and path, sorted.
std::vector<std::pair<std::string, std::string>> conditions_of(const Route& route) {
  auto conditions = route.headers;
  if (!route.host.empty()) conditions.emplace_back("host", route.host);
  std::ranges::sort(conditions);
  return conditions;
}

// Where both can hold of one request, the route that asks for more is taken; neither may ask for something
// that the other does not.
bool could_both_be_meant(const Route& one, const Route& other) {
  auto a = conditions_of(one), b = conditions_of(other);
  if (a == b) return true;
  for (const auto& [name, value] : a)
    for (const auto& [other_name, other_value] : b)
      if (name == other_name && value != other_value) return false;
  return !std::ranges::includes(a, b) && !std::ranges::includes(b, a);
}

void check_routes_differ(const Spec& spec, Mistakes& mistakes) {
  std::map<std::pair<std::string_view, std::string>, std::vector<const Route*>> seen;
  for (const auto& entity : spec.entities) {
    for (const auto& route : entity.routes) {
      auto segments = parse_path_template(route.path);
      if (!segments) continue;
      auto& earlier = seen[{route.method, shape_of(*segments)}];
      auto rival = std::ranges::find_if(
          earlier, [&](const Route* other) { return could_both_be_meant(*other, route); });
      const auto* found = rival == earlier.end() ? nullptr : *rival;
      earlier.push_back(&route);
      if (!found) continue;
      const auto& first = *found;
      if (conditions_of(first) != conditions_of(route))
        mistakes.add(
            route.mark,
            "a request can be both {0} {1} and {0} {2} (line {3}): their conditions neither exclude nor "
            "contain each other",
            route.method, route.path, first.path, first.mark.line);
      else if (first.path == route.path)
        mistakes.add(route.mark, "route {} {} is listed twice; first in line {}", route.method, route.path,
                     first.mark.line);
      else
        mistakes.add(route.mark, "route {0} {1} takes the same requests as {0} {2} in line {3}", route.method,
                     route.path, first.path, first.mark.line);
    }
  }
}

void check_switch_groups(const Spec& spec, Mistakes& mistakes) {
  struct Member {
    const Route* route;
    State state;
  };
  std::map<std::string_view, Member> groups;
  for (const auto& entity : spec.entities) {
    for (const auto& route : entity.routes) {
      if (route.switch_group.empty() || !route.read) continue;
      auto reads = entity.reads.find(*route.read);
      if (reads == entity.reads.end()) continue;
      auto [member, is_first] = groups.emplace(route.switch_group, Member{&route, reads->second});
      if (!is_first && member->second.state != reads->second)
        mistakes.add(route.mark,
                     "{} {} moves in state {}, but {} {} of the same switch_group '{}' moves in {}; a "
                     "group moves in one step",
                     route.method, route.path, name(reads->second), member->second.route->method,
                     member->second.route->path, route.switch_group, name(member->second.state));
    }
  }
}

}  // namespace

void check_entities_together(const Spec& spec, const SpecNode& root, Mistakes& mistakes) {
  check_tables(spec, mistakes);
  check_excluded(spec, root, mistakes);
  check_routes_differ(spec, mistakes);
  check_switch_groups(spec, mistakes);
}

}  // namespace oxbow
