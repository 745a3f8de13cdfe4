#include <map>
#include <set>

#include "core/spec/bind.hpp"
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

void check_routes(const Spec& spec, Mistakes& mistakes) {
  struct Member {
    const Route* route;
    State state;
  };
  std::map<std::pair<std::string_view, std::string_view>, Mark> seen;
  std::map<std::string_view, Member> groups;
  for (const auto& entity : spec.entities) {
    for (const auto& route : entity.routes) {
      auto [first, is_new] =
          seen.emplace(std::pair<std::string_view, std::string_view>(route.method, route.path), route.mark);
      if (!is_new)
        mistakes.add(route.mark, "route {} {} is listed twice; first in line {}", route.method, route.path,
                     first->second.line);
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
  check_routes(spec, mistakes);
}

}  // namespace oxbow
