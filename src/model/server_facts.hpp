// Facts about a server, its settings and our role in it that decide whether a migration can run.
// Read by an adapter, judged by core/spec/preflight.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/catalog.hpp"

namespace oxbow {

struct ServerFacts {
  std::string user;
  bool in_recovery = false;
  std::string wal_level;
  // What is free or taken by this migration already.
  int replication_slots_free = 0;
  int wal_senders_free = 0;
  int origins_free = 0;                          // at most: not every role may see those of others
  int connections_free = 0;                      // of max_connections, without what is reserved for others
  std::optional<int> connections_free_role;      // none: our role has no CONNECTION LIMIT
  std::optional<int> connections_free_database;  // none: the database has none
  std::int64_t wal_keep_limit_bytes = -1;        // max_slot_wal_keep_size; -1: unlimited
  bool may_replicate = false;                    // REPLICATION attribute or superuser
  bool may_create_in_database = false;           // a schema of our own, a publication
  bool may_use_origins = false;                  // pg_replication_origin_* functions
  bool may_set_replication_role = false;
  bool may_watch_ddl = false;           // event triggers
  std::vector<TableName> not_readable;  // of the tables asked about
  std::vector<TableName> not_writable;
  std::vector<TableName> not_owned;                   // replica identity and triggers need ownership
  std::map<TableName, std::string> owners;            // of those: the role that does
  std::vector<TableName> rows_hidden;                 // row security decides which rows our role sees
  std::string host;                                   // as the connection names it
  std::string data_directory;                         // empty: our role may not know it
  std::optional<std::uint64_t> data_disk_free_bytes;  // known only of a server on this machine
  std::optional<std::uint64_t> wal_disk_free_bytes;
  std::uint64_t wal_size_max_bytes = 0;  // max_wal_size
  std::uint64_t bytes_in_scope = 0;      // of the tables asked about, with indexes and what is out of line
  std::map<TableName, bool> is_empty;    // of those that can be read in full; where we watch, rows are ours
  std::vector<TableName> unlogged;       // changes not in the log, rows gone after a crash
  // Row triggers of others that fire before a write, but behind where a guard would stand.
  std::map<TableName, std::vector<std::string>> triggers_behind_guards;
};

}  // namespace oxbow
