// Facts about a server, its settings and our role in it that decide whether a migration can run.
// Read by an adapter, judged by core/spec/preflight.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/catalog.hpp"

namespace oxbow {

struct ServerFacts {
  std::string user;
  bool in_recovery = false;
  std::string wal_level;
  int replication_slots_free = 0;
  int wal_senders_free = 0;
  int connections_free = 0;
  std::int64_t wal_keep_limit_bytes = -1;  // max_slot_wal_keep_size; -1: unlimited
  bool may_replicate = false;              // REPLICATION attribute or superuser
  bool may_create_in_database = false;     // a schema of our own, a publication
  bool may_use_origins = false;            // pg_replication_origin_* functions
  bool may_set_replication_role = false;
  bool may_watch_ddl = false;           // event triggers
  std::vector<TableName> not_readable;  // of the tables asked about
  std::vector<TableName> not_writable;
  std::vector<TableName> not_owned;    // replica identity and triggers need ownership
  std::vector<TableName> rows_hidden;  // row security decides which rows our role sees
  std::map<TableName, bool> is_empty;  // of those that can be read in full
  std::vector<TableName> unlogged;     // changes not in the log, rows gone after a crash
};

}  // namespace oxbow
