#include "core/spec/preflight.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/mapping/conversion.hpp"
#include "core/mapping/identity.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

using Verdict = PreflightItem::Verdict;

constexpr int kOldestServer = 140'000;
constexpr int kServerWithParameterGrants = 150'000;

// The sessions of `oxbow up` apart from one per worker. The WAL sender has a limit of its own.
constexpr int kLegacySessions =
    10;  // administration, the log and its marks (3), watching (4), a verification (2)
constexpr int kNewSessions = 7;  // administration, the applier, its records, watching (3), a verification

bool contains(const std::vector<TableName>& tables, const TableName& table) {
  return std::ranges::find(tables, table) != tables.end();
}

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 10'000, version % 10'000);
}

class Judge {
 public:
  Judge(const Spec& spec, Side side, const ServerFacts& facts, const Catalog& catalog)
      : spec_(spec), side_(side), facts_(facts), catalog_(catalog), role_(quote_identifier(facts.user)) {}

  std::vector<PreflightItem> judge() {
    judge_server();
    if (side_ == Side::legacy) {
      judge_log();
    } else {
      judge_writing();
    }
    for (const auto& entity : spec_.entities)
      for (const auto& table : entity.tables) judge_table(table);
    if (side_ == Side::legacy) judge_coverage();
    return std::move(items_);
  }

 private:
  void add(Verdict verdict, std::string sentence, std::string remedy = "", Mark mark = {}) {
    items_.push_back({verdict, side_, std::move(sentence), std::move(remedy), mark});
  }
  void ok(std::string sentence) { add(Verdict::ok, std::move(sentence)); }
  void warn(std::string sentence, std::string remedy, Mark mark = {}) {
    add(Verdict::warning, std::move(sentence), std::move(remedy), mark);
  }
  void refuse(std::string sentence, std::string remedy, Mark mark = {}) {
    add(Verdict::refusal, std::move(sentence), std::move(remedy), mark);
  }

  // ---- the server ----

  void judge_server() {
    auto version = version_text(catalog_.server_version);
    if (catalog_.server_version < kOldestServer) {
      refuse(fmt::format("PostgreSQL {} is too old; oxbow needs 14 or newer", version), "upgrade the server");
    } else {
      ok("PostgreSQL " + version);
    }
    if (catalog_.encoding != "UTF8")
      refuse(fmt::format("database {} is encoded in {}; only UTF8 is carried exactly", catalog_.database,
                         catalog_.encoding),
             "dump the database and restore it into one with ENCODING 'UTF8'");
    if (facts_.in_recovery)
      refuse("the server is a standby, and oxbow has to write to it",
             "name the primary in the spec's database address");
    if (!facts_.may_create_in_database)
      refuse(
          fmt::format("role {} may not create schema oxbow in database {}", facts_.user, catalog_.database),
          fmt::format("GRANT CREATE ON DATABASE {} TO {};", quote_identifier(catalog_.database), role_));
    judge_connections();
  }

  int workers() const { return std::min(spec_.limits.workers, kCopyLanesMax); }

  void judge_connections() {
    auto needed = workers() + (side_ == Side::legacy ? kLegacySessions : kNewSessions);
    auto judge_limit = [&](int free, std::string_view limit, std::string_view remedy) {
      if (free >= needed) return;
      refuse(fmt::format("{} leaves us {} connections, and with {} workers oxbow needs {}", limit,
                         std::max(free, 0), workers(), needed),
             fmt::format("{} or lower limits.workers in the spec", remedy));
    };
    judge_limit(facts_.connections_free, "max_connections",
                "ALTER SYSTEM SET max_connections = ...; and restart the server,");
    if (facts_.connections_free_role)
      judge_limit(*facts_.connections_free_role, fmt::format("the CONNECTION LIMIT of role {}", facts_.user),
                  fmt::format("ALTER ROLE {} CONNECTION LIMIT ...;", role_));
    if (facts_.connections_free_database)
      judge_limit(
          *facts_.connections_free_database,
          fmt::format("the CONNECTION LIMIT of database {}", catalog_.database),
          fmt::format("ALTER DATABASE {} CONNECTION LIMIT ...;", quote_identifier(catalog_.database)));
  }

  // ---- the legacy server: reading its log ----

  void judge_log() {
    if (facts_.wal_level == "logical") {
      ok("wal_level is logical");
    } else {
      refuse(fmt::format("wal_level is {}, so the log does not hold what changed", facts_.wal_level),
             "ALTER SYSTEM SET wal_level = 'logical'; and restart the server");
    }
    if (facts_.replication_slots_free < 1)
      refuse("no replication slot is free",
             "ALTER SYSTEM SET max_replication_slots = ...; and restart the server");
    if (facts_.wal_senders_free < 1)
      refuse("no WAL sender is free", "ALTER SYSTEM SET max_wal_senders = ...; and restart the server");
    if (!facts_.may_replicate)
      refuse(fmt::format("role {} may not read the log", facts_.user),
             fmt::format("ALTER ROLE {} REPLICATION;", role_));
    judge_retained_log();
  }

  void judge_retained_log() {
    auto ours = spec_.limits.retained_wal_bytes_max;
    auto keep = fmt::format("ALTER SYSTEM SET max_slot_wal_keep_size = '{}MB'; SELECT pg_reload_conf();",
                            ours * 2 >> 20);
    if (facts_.wal_keep_limit_bytes < 0) {
      warn(
          "max_slot_wal_keep_size is unlimited: while oxbow is away its slot keeps the log until the disk is "
          "full",
          keep);
    } else if (static_cast<std::uint64_t>(facts_.wal_keep_limit_bytes) < ours) {
      warn(fmt::format("the server gives our slot up at {} of log, before limits.retained_wal ({}) can act",
                       human_bytes(static_cast<std::uint64_t>(facts_.wal_keep_limit_bytes)),
                       human_bytes(ours)),
           keep + " or lower limits.retained_wal in the spec");
    } else {
      ok(fmt::format("max_slot_wal_keep_size is {}",
                     human_bytes(static_cast<std::uint64_t>(facts_.wal_keep_limit_bytes))));
    }
  }

  // ---- the new server: writing as a replica ----

  void judge_writing() {
    auto lanes = workers() + 1;
    if (facts_.origins_free < lanes)
      refuse(fmt::format("{} replication origins are free, and {} writing connections need one each",
                         facts_.origins_free, lanes),
             "ALTER SYSTEM SET max_replication_slots = ...; and restart the server, or lower limits.workers "
             "in the spec");
    if (!facts_.may_use_origins)
      refuse(fmt::format("role {} may not mark its writes with a replication origin", facts_.user),
             grants_on_origins(facts_.user));
    if (!facts_.may_set_replication_role)
      refuse(fmt::format("role {} may not set session_replication_role, so triggers would fire twice",
                         facts_.user),
             grant_of_replication_role(facts_.user, catalog_.server_version));
  }

  // ---- one table ----

  void judge_table(const TableSpec& spec) {
    const auto& name = side_ == Side::legacy ? spec.legacy : spec.new_side;
    const auto* table = catalog_.find(name);
    if (!table || table->is_partition) return;  // mistakes of the spec, which the plan names
    auto before = items_.size();
    judge_rights(name, spec.mark);
    if (contains(facts_.rows_hidden, name))
      refuse(fmt::format("row security of {} may hide rows from role {}", to_string(name), facts_.user),
             fmt::format("ALTER ROLE {} BYPASSRLS;", role_), spec.mark);
    if (contains(facts_.unlogged, name))
      refuse(fmt::format("{} is unlogged: {}", to_string(name),
                         side_ == Side::legacy ? "its changes are not in the log" : "a crash would empty it"),
             fmt::format("ALTER TABLE {} SET LOGGED;", quoted(name)), spec.mark);
    if (side_ == Side::legacy) {
      judge_log_of(spec, *table);
    } else {
      judge_projection(spec, *table);
    }
    if (items_.size() == before)
      ok(fmt::format("{} can be {}", to_string(name), side_ == Side::legacy ? "followed" : "written"));
  }

  void refuse_unknown(const TableName& name) {
    std::vector<std::string> names;
    for (const auto& [known, table] : catalog_.tables) names.push_back(to_string(known));
    std::vector<std::string_view> views(names.begin(), names.end());
    auto near = nearest_word(to_string(name), views);
    refuse(fmt::format("database {} has no table {}{}", catalog_.database, to_string(name),
                       near.empty() ? "" : fmt::format("; did you mean {}?", near)),
           "correct the name in the spec");
  }

  void judge_rights(const TableName& name, Mark mark) {
    auto use = fmt::format("GRANT USAGE ON SCHEMA {} TO {};", quote_identifier(name.schema), role_);
    if (side_ == Side::legacy && contains(facts_.not_readable, name))
      refuse(fmt::format("role {} may not read {}", facts_.user, to_string(name)),
             fmt::format("{} GRANT SELECT ON {} TO {};", use, quoted(name), role_), mark);
    if (side_ == Side::new_side && contains(facts_.not_writable, name))
      refuse(fmt::format("role {} may not write {}", facts_.user, to_string(name)),
             fmt::format("{} GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {} TO {};", use, quoted(name),
                         role_),
             mark);
    if (contains(facts_.not_owned, name)) {
      auto purpose = side_ == Side::legacy ? "publishing its changes" : "watching for writes of others";
      refuse(fmt::format("role {} does not own {}, which {} needs", facts_.user, to_string(name), purpose),
             owner_grant(name), mark);
    }
  }

  // To hand the table over would take it from those who use it as its owner.
  std::string owner_grant(const TableName& name) const {
    auto owner = facts_.owners.find(name);
    return owner == facts_.owners.end()
               ? fmt::format("GRANT the owner's role TO {};", role_)
               : fmt::format("GRANT {} TO {};", quote_identifier(owner->second), role_);
  }

  // What the log must hold of an old row, so that a change names its row. oxbow sets it when it starts; doing
  // so is announced here, because the legacy system's owner may want to do it in a quiet hour.
  void judge_log_of(const TableSpec& spec, const Table& table) {
    std::vector<Problem> problems;
    auto identity = choose_identity(spec, table, problems);
    if (!identity) return;
    auto name = to_string(table.name);
    if (identity->needs_full && table.replica_identity != ReplicaIdentity::full)
      warn(fmt::format("{} will log whole old rows, since no usable key tells them apart; its UPDATEs and "
                       "DELETEs write "
                       "more log from the start of the mirror on",
                       name),
           fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL;", quoted(table.name)), spec.mark);
    bool logs_key = logs_identity(table, *identity);
    if (!identity->needs_full && !logs_key)
      warn(fmt::format("the log of {} does not name its rows by ({}); oxbow will change that when it starts",
                       name, fmt::join(identity->columns, ", ")),
           identity->replica_index.empty()
               ? fmt::format("ALTER TABLE {} REPLICA IDENTITY DEFAULT;", quoted(table.name))
               : fmt::format("ALTER TABLE {} REPLICA IDENTITY USING INDEX {};", quoted(table.name),
                             quote_identifier(identity->replica_index)),
           spec.mark);
    judge_new_partitions(spec, table, *identity);
    judge_order(spec, table, *identity);
  }

  // A new partition begins with the default identity, whatever its table has.
  void judge_new_partitions(const TableSpec& spec, const Table& table, const Identity& identity) {
    if (!table.partitioned || (!identity.needs_full && identity.replica_index.empty())) return;
    auto name = to_string(table.name);
    if (facts_.may_watch_ddl)
      return warn(
          fmt::format("a new partition of {} has no replica identity and would refuse UPDATE and DELETE; "
                      "oxbow sets it by an event trigger until the migration is over",
                      name),
          "", spec.mark);
    warn(fmt::format(
             "a new partition of {} has no replica identity and refuses UPDATE and DELETE until oxbow sees "
             "it, some seconds later; role {} may not install the event trigger that prevents that",
             name, facts_.user),
         fmt::format(
             "ALTER ROLE {} SUPERUSER; or set REPLICA IDENTITY in the transaction that creates a partition",
             role_),
         spec.mark);
  }

  static bool logs_identity(const Table& table, const Identity& identity) {
    if (table.replica_identity == ReplicaIdentity::full) return true;
    if (identity.replica_index.empty()) return table.replica_identity == ReplicaIdentity::default_key;
    return table.replica_identity == ReplicaIdentity::index &&
           table.replica_identity_index == identity.replica_index;
  }

  void judge_order(const TableSpec& spec, const Table& table, const Identity& identity) {
    for (const auto& name : identity.columns) {
      const auto* column = table.find_column(name);
      if (column && is_text_like(column->type) && !column->collation_is_c)
        warn(fmt::format("key column {} of {} is ordered by collation {}, not C: the table is copied in one "
                         "range, by one "
                         "worker and from its beginning after a restart",
                         name, to_string(table.name),
                         column->collation.empty() ? "default" : column->collation),
             "", spec.mark);
    }
  }

  void judge_projection(const TableSpec& spec, const Table& table) {
    auto name = to_string(table.name);
    if (auto empty = facts_.is_empty.find(table.name); empty != facts_.is_empty.end() && !empty->second)
      refuse(fmt::format("{} holds rows already, and oxbow has written none of them", name),
             fmt::format(
                 "TRUNCATE {}; if nobody needs them; where foreign keys refer to it, name all these tables "
                 "in one TRUNCATE",
                 quoted(table.name)),
             spec.mark);
    for (const auto& index : table.indexes)
      if (!index.immediate)
        refuse(fmt::format("constraint {} of {} is DEFERRABLE, and PostgreSQL enforces no such constraint in "
                           "the sessions that oxbow writes with (session_replication_role = replica)",
                           index.name, name),
               not_deferrable(table, index), spec.mark);
  }

  // PostgreSQL can change this in place for foreign keys only.
  static std::string not_deferrable(const Table& table, const Index& index) {
    auto constraint = quote_identifier(index.name);
    auto remedy = fmt::format(
        "make it NOT DEFERRABLE until the migration is over: ALTER TABLE {} DROP "
        "CONSTRAINT {}, ADD CONSTRAINT {} ",
        quoted(table.name), constraint, constraint);
    if (!index.unique) return remedy + "EXCLUDE ... NOT DEFERRABLE;";
    std::vector<std::string> columns;
    for (const auto& column : index.columns) columns.push_back(quote_identifier(column));
    return fmt::format("{}{} ({}) NOT DEFERRABLE;", remedy, index.primary ? "PRIMARY KEY" : "UNIQUE",
                       fmt::join(columns, ", "));
  }

  // ---- tables that nobody names ----

  void judge_coverage() {
    auto named = tables_of(spec_, Side::legacy);
    std::string missing;
    for (const auto& [name, table] : catalog_.tables) {
      bool ours = table.is_partition || name.schema == "oxbow";
      if (ours || contains(named, name) || contains(spec_.excluded, name)) continue;
      missing += (missing.empty() ? "" : ", ") + to_dotted({name.schema, name.name});
    }
    if (!missing.empty())
      warn(fmt::format("no entity covers {}: what is in there stays behind", missing),
           fmt::format("add them to entities, or write exclude: [{}]", missing));
    for (const auto& name : spec_.excluded)
      if (!catalog_.find(name)) refuse_unknown(name);
  }

  const Spec& spec_;
  Side side_;
  const ServerFacts& facts_;
  const Catalog& catalog_;
  std::string role_;
  std::vector<PreflightItem> items_;
};

}  // namespace

std::string_view name(PreflightItem::Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::unknown:
      return "unknown";
    case Verdict::refusal:
      return "refusal";
  }
  return "";
}

std::vector<PreflightItem> judge(const Spec& spec, Side side, const ServerFacts& facts,
                                 const Catalog& catalog) {
  return Judge(spec, side, facts, catalog).judge();
}

std::string grants_on_origins(std::string_view user) {
  std::string out;
  for (auto function : {"create(text)", "drop(text)", "oid(text)", "session_setup(text)", "session_reset()",
                        "session_is_setup()", "xact_setup(pg_lsn, timestamptz)"})
    out += fmt::format("GRANT EXECUTE ON FUNCTION pg_replication_origin_{} TO {}; ", function,
                       quote_identifier(user));
  out.pop_back();
  return out;
}

std::string grant_of_replication_role(std::string_view user, int server_version) {
  bool grantable = server_version >= kServerWithParameterGrants;
  return grantable
             ? fmt::format("GRANT SET ON PARAMETER session_replication_role TO {};", quote_identifier(user))
             : fmt::format("ALTER ROLE {} SUPERUSER;", quote_identifier(user));
}

std::vector<TableName> tables_of(const Spec& spec, Side side) {
  std::vector<TableName> tables;
  for (const auto& entity : spec.entities) {
    for (const auto& table : entity.tables) {
      const auto& name = side == Side::legacy ? table.legacy : table.new_side;
      if (!contains(tables, name)) tables.push_back(name);
    }
  }
  return tables;
}

}  // namespace oxbow
