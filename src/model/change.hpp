// What the log of a database tells, one message at a time, in commit order: Begin, its changes, Commit.
// Messages outside a transaction come between two of them. A large transaction may come in parts, if the
// stream was asked for that, so that nobody waits for its end: Begin, changes, PartEnd, others, NextPart,
// changes, PartEnd, and so on to its Commit. Two changes of one row always come in the order in which they
// were made.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "model/catalog.hpp"
#include "model/position.hpp"

namespace oxbow {

// The number by which the log names a table (its oid on the source).
using RelationId = Strong<std::uint32_t, struct RelationTag>;

struct Begin {
  Lsn final_lsn;  // where its commit record begins; in parts: some position before it
  WallTime committed_at;
  std::uint32_t xid = 0;
  bool in_parts = false;  // and not applied yet
};

struct PartEnd {};

struct NextPart {
  std::uint32_t xid = 0;
};

struct Commit {
  Lsn commit_lsn;
  Lsn end_lsn;  // just behind it: a stream that has applied this transaction stands here
  WallTime committed_at;
  std::uint32_t xid = 0;  // of a transaction in parts, which is paused; 0: the one that is open
};

// The shape of the rows that follow for this relation; sent before the first one and after every change of
// shape.
struct Relation {
  struct Column {
    std::string name;
    std::uint32_t type_oid = 0;
    std::int32_t type_modifier = -1;
    bool in_identity = false;

    friend bool operator==(const Column&, const Column&) = default;
  };

  RelationId id;
  TableName name;
  ReplicaIdentity identity = ReplicaIdentity::default_key;
  std::vector<Column> columns;

  friend bool operator==(const Relation&, const Relation&) = default;
};

// Tuples are in the relation's column order (see model/tuple.hpp).
struct Insert {
  RelationId relation;
  std::string after;
};

struct Update {
  RelationId relation;
  // The old row: only the identity's fields hold values unless the identity is FULL; empty if the identity
  // did not change, in which case `after` holds it.
  std::string before;
  std::string after;  // may have unsent fields
};

struct Delete {
  RelationId relation;
  std::string before;  // as in Update, never empty
};

struct Truncate {
  std::vector<RelationId> relations;
};

// Emitted by pg_logical_emit_message().
struct Message {
  Lsn lsn;
  bool transactional = false;
  std::string prefix;
  std::string content;
};

// Names the replication origin of the transaction it stands in.
struct Origin {
  std::string name;
};

// The log has been read up to here and held nothing for us.
struct Keepalive {
  Lsn end_lsn;
  bool reply_wanted = false;
};

using LogEvent = std::variant<Begin, PartEnd, NextPart, Commit, Relation, Insert, Update, Delete, Truncate,
                              Message, Origin, Keepalive>;

}  // namespace oxbow
