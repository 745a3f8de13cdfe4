#include "flow/apply/relation_routes.hpp"

#include <algorithm>

#include "core/merge/row_merger.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kNotThere = SIZE_MAX;

// Copies the fields named by `fields` into a tuple of the source's layout.
void project_partly(std::string_view tuple, const std::vector<std::size_t>& fields, std::string& out) {
  std::vector<Field> all, wanted;
  read_fields(tuple, all);
  for (auto place : fields) wanted.push_back(place == kNotThere ? Field::unsent() : all[place]);
  out = make_tuple_bytes(wanted);
}

}  // namespace

RelationRoutes::RelationRoutes(std::vector<MirroredTable> tables) : tables_(std::move(tables)) {}

void RelationRoutes::learn(const Relation& relation) {
  std::vector<RelationRoute> routes;
  for (std::uint32_t t = 0; t < tables_.size(); ++t)
    if (auto route = route_to(t, relation)) routes.push_back(*std::move(route));
  relations_[relation.id] = relation;
  routes_[relation.id] = std::move(routes);
}

std::optional<RelationRoute> RelationRoutes::route_to(std::uint32_t number, const Relation& relation) const {
  const auto& table = tables_[number];
  const auto& mapping = *table.mapping;
  bool has_its_name = mapping.source == relation.name;
  bool is_that_table = table.legacy_id != RelationId{} && table.legacy_id == relation.id;
  if (!has_its_name && !is_that_table) return std::nullopt;

  auto name = to_string(mapping.source);
  RelationRoute route{number, {}, std::nullopt};
  auto misfit = [&](std::string why) {
    if (!route.misfit) route.misfit = Error{ErrorCode::schema_drift, std::move(why)};
  };
  for (std::size_t i = 0; i < mapping.source_columns.size(); ++i) {
    const auto& wanted = mapping.source_columns[i];
    auto at = std::ranges::find(relation.columns, wanted, &Relation::Column::name);
    bool is_there = at != relation.columns.end();
    bool fits = is_there && at->type_oid == mapping.source_types[i].oid;
    route.fields.push_back(fits ? static_cast<std::size_t>(at - relation.columns.begin()) : kNotThere);
    if (!is_there) {
      misfit(fmt::format(
          "the log has changes of {0} from when it had no column {1}, so their rows cannot be filled "
          "exactly; roll every mirrored cohort of {0} back to `legacy` and advance it again, or drop "
          "the column in the spec and start `oxbow up` again",
          name, wanted));
    } else if (!fits) {
      misfit(fmt::format(
          "column {} of {} has another type in the log than when the stream began; roll every mirrored "
          "cohort of it back to `legacy` and advance it again",
          wanted, name));
    }
  }
  auto is_known = [&](const Relation::Column& column) {
    return std::ranges::count(mapping.source_columns, column.name) > 0 ||
           std::ranges::count(mapping.left_behind, column.name) > 0;
  };
  auto added = std::ranges::find_if_not(relation.columns, is_known);
  if (added != relation.columns.end() && !table.follow_new_columns)
    misfit(fmt::format(
        "{} has a column {} that the spec does not know; drop it there, or map it, and start `oxbow "
        "up` again",
        name, added->name));
  if (!has_its_name)
    misfit(fmt::format(
        "the log has changes of {0} from when it was called {1}; roll every mirrored cohort of {0} back to "
        "`legacy` and advance it again",
        name, to_string(relation.name)));

  bool same = relation.columns.size() == route.fields.size();
  for (std::size_t i = 0; i < route.fields.size(); ++i) same = same && route.fields[i] == i;
  if (same) route.fields.clear();
  return route;
}

// A relation without a route is announced for each partition of a table; changes come under the table's own
// name. What does come under an unknown name must not be passed over.
Result<const std::vector<RelationRoute>*> RelationRoutes::of(RelationId relation) const {
  auto routes = routes_.find(relation);
  if (routes != routes_.end() && !routes->second.empty()) return &routes->second;
  auto known = relations_.find(relation);
  return Err(
      ErrorCode::schema_drift,
      "the log has changes of {}, which the spec does not name: was one of its tables renamed? Bring spec "
      "and schema together",
      known == relations_.end() ? "a table" : to_string(known->second.name));
}

std::string_view RelationRoute::project(std::string_view tuple, std::string& scratch) const {
  if (fields.empty()) return tuple;
  if (misfit) {
    project_partly(tuple, fields, scratch);
  } else {
    oxbow::project(tuple, fields, scratch);
  }
  return scratch;
}

}  // namespace oxbow
