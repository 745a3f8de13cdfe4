// The guards of one side: what lets a write through only where the cohort of its row is open there, whoever
// writes and whatever way it takes. Exact in every isolation level: the state of a guard is no row, so no
// snapshot is too old to see it. One connection.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/time.hpp"
#include "model/catalog.hpp"
#include "model/cohort.hpp"
#include "model/guard.hpp"
#include "model/side.hpp"
#include "runtime/task.hpp"

namespace oxbow {

struct GuardedTable {
  TableName name;
  std::string key_column;  // holds the entity's key as legacy prints it
};

struct GuardedEntity {
  std::string name;
  std::vector<GuardedTable> tables;
  CohortTable cohorts;
  std::vector<std::string> cohort_names;  // by CohortId
  std::string home;                       // for whoever is refused here: "the new side, database ledger"
  std::string owner;                      // who answers for that
};

// A transaction of somebody who writes, or may be about to.
struct WriterAtWork {
  std::string transaction;           // tells it from every other one of this server's life
  std::string who;                   // its application and user, or the name of a prepared transaction
  std::int64_t pid = 0;              // 0: a prepared transaction
  std::optional<Duration> age;       // none: our role may not see it, nor whether it is idle
  bool idle_in_transaction = false;  // it waits for its client
};

// A table without all of its guard, or a part of one: somebody may write there who must not.
struct GuardGap {
  std::string table;
  bool came_later = false;  // a part that nobody has guarded yet; else its guard was switched off, or dropped
  std::optional<Error> open;  // why it is still so
};

struct GuardsSeen {
  std::vector<GuardState> states;    // by CohortId; empty where the entity has no guards
  std::vector<std::string> lost_at;  // tables and parts whose guard was switched off, or dropped
};

// Tables that a spec has taken into an entity since its guards were put on, and out of it.
struct TableChanges {
  std::vector<std::string> taken_in, taken_out;
};

class Guards {
 public:
  virtual ~Guards() = default;

  // Puts guards on all tables of the entity, and on parts that they will get. What is there already stays,
  // with its state; a cohort that is new begins with its entry of `initial` (by CohortId). Takes a lock on
  // each table that waits for all who write it, at most 1 s at a time; `timeout` after a minute of tries.
  virtual Task<void> install(GuardedEntity entity, std::vector<GuardState> initial) = 0;

  // What stands, in one look that waits for nobody.
  virtual Task<GuardsSeen> look(std::string entity, std::vector<TableName> tables) = 0;

  // Closes gaps in the guards of these tables, without waiting for locks: what others hold has to be asked
  // for again. Of partitions that came since install() each row is guarded by itself, and only TRUNCATE is
  // not. Returns all that were found. REQUIRES: the entity has guards.
  enum class Mend { new_parts, all };
  virtual Task<std::vector<GuardGap>> mend(std::string entity, std::vector<TableName> tables, Mend what) = 0;

  // What of these tables the guards do not know, and the other way round; nothing where the entity has none.
  virtual Task<TableChanges> compare_tables(std::string entity, std::vector<TableName> tables) = 0;

  // By CohortId; empty where the entity has no guards.
  virtual Task<std::vector<GuardState>> read(std::string entity) = 0;

  // When this returns it is durable, and every row written from then on meets it. `illegal_transition` if the
  // epoch would fall, a later order has been carried out, or a guard shall be fenced that is not near;
  // `not_found` if the entity has no guards.
  virtual Task<void> set(std::string entity, CohortId cohort, GuardState state) = 0;

  // Others that have written any row of the entity's tables, or hold the lock for it. Who is not among them
  // and writes later meets the guard as it is now.
  virtual Task<std::vector<WriterAtWork>> writers(std::string entity) = 0;

  // Who wrote rows of this cohort since its guard was near, and has not ended.
  virtual Task<std::vector<WriterAtWork>> writers_of(std::string entity, CohortId cohort) = 0;

  // Waits until all of writers_of() have ended. False if they have not after `patience`; nobody was ended.
  // REQUIRES: the guard is fenced or closed.
  virtual Task<bool> drain(std::string entity, CohortId cohort, Duration patience) = 0;

  // Takes the guards of one entity away; every write passes from then on. Returns what it did.
  virtual Task<std::vector<std::string>> remove(std::string entity) = 0;
};

}  // namespace oxbow
