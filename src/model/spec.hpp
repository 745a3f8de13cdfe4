// A migration as its owners wrote it down, after parsing and validation. Nothing here has asked a database
// yet.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "model/catalog.hpp"
#include "model/gateway_spec.hpp"
#include "model/mark.hpp"
#include "model/route.hpp"
#include "model/state.hpp"

namespace oxbow {

struct Owners {
  std::string legacy;
  std::string new_side;
  std::string coexistence;
};

struct SystemSpec {
  std::string database;               // connection string or URL
  std::vector<std::string> services;  // "http://127.0.0.1:8081", "https://pay.internal", "unix:/run/pay.sock"
  std::string health_path;            // asked of each service; empty: a connection is proof enough
  std::string service_ca;             // a file in PEM; empty: the authorities that the system trusts
  Mark mark;
};

enum class ColumnOp { rename, cast, scale, map, constant, use_default, concat, split, json_path, drop, sql };

// How columns of one side become columns of the other. On the way back the sides are swapped, a factor may be
// 1/factor, and a split that reads several columns joins them.
struct ColumnRule {
  ColumnOp op = ColumnOp::rename;
  std::vector<std::string> legacy;    // columns read; empty for constant and use_default
  std::vector<std::string> new_side;  // columns written; empty for drop
  std::string argument;               // factor, type, separator, constant, path or forward SQL expression
  std::vector<std::pair<std::string, std::string>> map;  // legacy value, new value
  std::optional<std::string> backward;  // SQL expression over new columns, where no inverse can be derived
  std::string why;
  Mark mark;
};

// A field that may differ for a declared reason and time; after `until` it counts again.
struct MayDiffer {
  std::string column;  // a new column
  std::chrono::year_month_day until{};
  std::string why;
  Mark mark;
};

enum class OnDdl { pause, carry_on };

struct TableSpec {
  TableName legacy;
  TableName new_side;
  std::vector<ColumnRule> columns;    // columns not named pass through under the same name
  std::vector<std::string> identity;  // legacy columns; empty: primary key, else a unique not-null index
  bool identity_is_full_row = false;
  std::vector<MayDiffer> may_differ;
  std::string new_only;  // SQL predicate over new rows that legacy cannot represent
  Mark mark;
  Mark legacy_mark;  // where the tables are named
  Mark new_mark;
};

// A fixed part of an entity's keys. Listed in order: a key belongs to the first cohort that takes it.
struct CohortSpec {
  std::string name;
  std::vector<std::string> keys;  // exact key texts
  std::optional<std::uint32_t>
      buckets;  // a slice of this many of the 10,000 hash buckets, after the earlier slices
  bool rest = false;
  Mark mark;
};

struct Invariant {
  std::string name;
  std::string definition;  // kept as written until something evaluates it
  Mark mark;
};

struct EntitySpec {
  std::string name;
  // The legacy column (in every table) that says which entity a row belongs to. On the way back it is the new
  // column that holds it; empty where there is none and all rows are of one cohort.
  std::string key;
  std::vector<TableSpec> tables;
  std::vector<Route> routes;
  std::vector<CohortSpec> cohorts;  // never empty after validation: one cohort `all` where none is declared
  std::map<ReadClass, State> reads;
  std::vector<Invariant> invariants;
  Mark mark;
};

struct GateSpec {
  std::optional<Duration> proof_age_max;
  std::optional<std::uint64_t> divergence_max;
  std::optional<double> coverage_min_percent;
  std::optional<Duration> lag_max;
  std::optional<std::uint64_t> lag_bytes_max;
  std::optional<Duration> in_state_min;
};

// Lane 0 applies the log; the next ones copy ranges, whatever more workers a spec allows; the last one clears
// away what an earlier mirror left.
inline constexpr int kCopyLanesMax = 16;
inline constexpr int kClearingLane = 1 + kCopyLanesMax;

struct Limits {
  int workers = 2;                        // ranges copied at the same time
  std::uint64_t rows_per_second_max = 0;  // 0: no limit
  std::uint64_t bytes_per_second_max = 0;
  std::uint64_t retained_wal_bytes_max = 10ull << 30;
  Duration lag_max = std::chrono::seconds(30);  // the backfill waits above this
  std::uint64_t active_sessions_max = 0;        // of others on legacy; it waits above this, too. 0: no limit
  OnDdl on_ddl = OnDdl::pause;
  Duration handover_prepare_max = std::chrono::seconds(60);  // for those who write while it begins
  Duration write_pause_max = std::chrono::seconds(1);        // of a handover; it is given up then
};

struct Spec {
  std::string file = "oxbow.yaml";  // where it was read, for messages
  std::string migration;
  Owners owners;
  SystemSpec legacy;
  SystemSpec new_side;
  std::vector<EntitySpec> entities;
  std::optional<GatewaySpec> gateway;
  std::vector<TableName> excluded;  // legacy tables left out on purpose
  std::map<State, GateSpec> gates;
  Limits limits;
  std::optional<std::chrono::year_month_day> rollback_deadline;
  std::optional<Duration> rollback_rehearsed_within;
  std::optional<std::chrono::year_month_day> remove_by;
  std::string deletion_owner;
  Duration quiet_for = std::chrono::days(7);  // nobody has read the legacy tables, before they are retired
  std::string hash;                           // SHA-256 of the file, lower-case hex

  const EntitySpec* find_entity(std::string_view name) const;
};

}  // namespace oxbow
