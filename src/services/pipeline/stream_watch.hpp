// Watches both databases while a session works: how far the stream is behind, who else writes on the
// projection, whether a schema changes. Three tasks of one session, each with connections of its own.
#pragma once

#include "services/pipeline/part_watch.hpp"
#include "services/pipeline/session_parts.hpp"

namespace oxbow {

class StreamWatch {
 public:
  StreamWatch(SessionParts& parts, PartWatch& part_watch) : parts_(parts), part_watch_(part_watch) {}

  Task<void> watch_health();
  Task<void> watch_rogue_writes();

  // DDL that no row has met yet, what the log does not tell, and tables that nobody mentioned.
  Task<void> watch_schemas();

 private:
  std::string entity_of(const TableName& target) const;
  Task<void> watch_parts(SourceAdmin& source, TargetAdmin& target);
  void report_schemas(const std::vector<std::string>& changes, const Catalog& legacy);

  SessionParts& parts_;
  PartWatch& part_watch_;
  std::uint64_t last_rogue_ = 0;
};

}  // namespace oxbow
