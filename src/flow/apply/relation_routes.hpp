// Where rows of the log's relations go: to which of our tables, and how they become tuples of its layout. The
// log describes a relation before its first change, and again whenever it has become another. Belongs to one
// stream; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "flow/apply/mirrored_table.hpp"
#include "model/change.hpp"

namespace oxbow {

// Where the rows do not fit the mapping, that is an error only once one of them would have to be written.
struct RelationRoute {
  std::uint32_t table = 0;
  std::vector<std::size_t> fields;  // of the relation; empty: all, in order
  std::optional<Error> misfit;

  // A row of the relation in the source's layout; `scratch` may hold it.
  std::string_view project(std::string_view tuple, std::string& scratch) const;
};

class RelationRoutes {
 public:
  explicit RelationRoutes(std::vector<MirroredTable> tables);  // by their ids

  void learn(const Relation& relation);

  // `schema_drift` if the relation is none of our tables.
  Result<const std::vector<RelationRoute>*> of(RelationId relation) const;

 private:
  std::optional<RelationRoute> route_to(std::uint32_t table, const Relation& relation) const;

  std::vector<MirroredTable> tables_;
  std::map<RelationId, std::vector<RelationRoute>> routes_;
  std::map<RelationId, Relation> relations_;
};

}  // namespace oxbow
