#include "core/spec/preflight.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/catalog_builder.hpp"

namespace oxbow {
namespace {

using namespace build;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const TableName kPayments{"public", "payments"};
const TableName kPayment{"ledger", "payment"};

// A migration of one table between two servers that are ready in every respect.
struct Scene {
  Spec spec;
  ServerFacts facts;
  Catalog legacy =
      catalog("billing", {with_primary_key(table("public", "payments", {not_null("id", int8())}), {"id"})});
  Catalog fresh =
      catalog("ledger", {with_primary_key(table("ledger", "payment", {not_null("id", int8())}), {"id"})});

  Scene() {
    EntitySpec entity;
    entity.name = "payment";
    entity.key = "id";
    entity.tables.push_back({.legacy = kPayments, .new_side = kPayment, .mark = {8, 9}});
    spec.entities.push_back(entity);
    facts.user = "oxbow";
    facts.wal_level = "logical";
    facts.replication_slots_free = 5;
    facts.wal_senders_free = 5;
    facts.connections_free = 50;
    facts.origins_free = 5;
    facts.wal_keep_limit_bytes = 20ll << 30;
    facts.may_replicate = facts.may_create_in_database = facts.may_use_origins =
        facts.may_set_replication_role = true;
    facts.is_empty = {{kPayment, true}};
  }

  Table& payments() { return legacy.tables.at(kPayments); }
  Table& payment() { return fresh.tables.at(kPayment); }

  // What is wrong on a side, as "verdict: sentence | remedy".
  std::vector<std::string> complaints(Side side) const {
    std::vector<std::string> out;
    for (const auto& item : judge(spec, side, facts, side == Side::legacy ? legacy : fresh)) {
      EXPECT_EQ(item.side, side);
      if (item.verdict == PreflightItem::Verdict::ok) continue;
      out.push_back(std::string(name(item.verdict)) + ": " + item.sentence + " | " + item.remedy);
    }
    return out;
  }
  std::vector<std::string> on_legacy() const { return complaints(Side::legacy); }
  std::vector<std::string> on_new() const { return complaints(Side::new_side); }
};

TEST(Preflight, FindsNothingWhereEverythingIsReady) {
  Scene scene;
  EXPECT_THAT(scene.on_legacy(), IsEmpty());
  EXPECT_THAT(scene.on_new(), IsEmpty());
  EXPECT_GE(judge(scene.spec, Side::legacy, scene.facts, scene.legacy).size(), 4u);
}

TEST(Preflight, WantsALogThatHoldsChanges) {
  Scene scene;
  scene.facts.wal_level = "replica";
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre("refusal: wal_level is replica, so the log does not hold what changed | ALTER "
                          "SYSTEM SET wal_level = 'logical'; and restart the server"));
  EXPECT_THAT(scene.on_new(), IsEmpty());
}

TEST(Preflight, WantsSlotsSendersAndConnections) {
  Scene scene;
  scene.facts.replication_slots_free = 0;
  scene.facts.wal_senders_free = 0;
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(HasSubstr("no replication slot is free"), HasSubstr("no WAL sender is free")));
  scene.facts.origins_free = 2;
  EXPECT_THAT(scene.on_new(), ElementsAre(HasSubstr("2 replication origins are free, and 3")));
}

TEST(Preflight, WantsAConnectionForEverySessionOfOxbowUnderEveryLimit) {
  Scene scene;
  scene.facts.connections_free = 11;
  scene.facts.connections_free_role = 11;
  scene.facts.connections_free_database = -1;
  EXPECT_THAT(
      scene.on_legacy(),
      ElementsAre(HasSubstr("max_connections leaves us 11 connections, and with 2 workers oxbow needs 12"),
                  HasSubstr("CONNECTION LIMIT of role oxbow leaves us 11"),
                  HasSubstr("CONNECTION LIMIT of database billing leaves us 0 connections")));
  scene.facts.connections_free = 12;
  scene.facts.connections_free_role = 12;
  scene.facts.connections_free_database.reset();
  EXPECT_THAT(scene.on_legacy(), IsEmpty());
  scene.facts.connections_free = 8;
  EXPECT_THAT(scene.on_new(), testing::Contains(HasSubstr("oxbow needs 9")));
  scene.spec.limits.workers = 64;
  EXPECT_THAT(scene.on_new(), testing::Contains(HasSubstr("with 16 workers oxbow needs 23")));
}

TEST(Preflight, WantsRightsAndGivesTheGrant) {
  Scene scene;
  scene.facts.user = "o\"x";
  scene.facts.may_replicate = false;
  scene.facts.may_create_in_database = false;
  scene.facts.not_readable = {kPayments};
  scene.facts.not_owned = {kPayments};
  scene.facts.owners = {{kPayments, "shop app"}};
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(HasSubstr("| GRANT CREATE ON DATABASE \"billing\" TO \"o\"\"x\";"),
                          HasSubstr("| ALTER ROLE \"o\"\"x\" REPLICATION;"),
                          HasSubstr("| GRANT USAGE ON SCHEMA \"public\" TO \"o\"\"x\"; GRANT SELECT ON "
                                    "\"public\".\"payments\" TO \"o\"\"x\";"),
                          HasSubstr("| GRANT \"shop app\" TO \"o\"\"x\";")));
}

TEST(Preflight, WantsRightsToWriteAsAReplica) {
  Scene scene;
  scene.facts.may_use_origins = false;
  scene.facts.may_set_replication_role = false;
  scene.facts.not_writable = {kPayment};
  EXPECT_THAT(scene.on_new(),
              ElementsAre(HasSubstr("GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text) TO"),
                          HasSubstr("GRANT SET ON PARAMETER session_replication_role TO \"oxbow\";"),
                          HasSubstr("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON")));
  scene.fresh.server_version = 140'009;
  EXPECT_THAT(scene.on_new(), testing::Contains(HasSubstr("ALTER ROLE \"oxbow\" SUPERUSER;")));
}

TEST(Preflight, WarnsOfALogThatFillsTheDisk) {
  Scene scene;
  scene.facts.wal_keep_limit_bytes = -1;
  EXPECT_THAT(scene.on_legacy(), ElementsAre(HasSubstr("warning: max_slot_wal_keep_size is unlimited")));
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(HasSubstr("SET max_slot_wal_keep_size = '20480MB'; SELECT pg_reload_conf();")));
  scene.facts.wal_keep_limit_bytes = 1 << 30;
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(HasSubstr("the server gives our slot up at 1.0 GiB of log, before")));
}

TEST(Preflight, RefusesServersThatCannotServe) {
  Scene scene;
  scene.legacy.server_version = 130'004;
  scene.legacy.encoding = "LATIN1";
  scene.facts.in_recovery = true;
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(HasSubstr("PostgreSQL 13.4 is too old"), HasSubstr("encoded in LATIN1"),
                          HasSubstr("the server is a standby")));
}

TEST(Preflight, RefusesATargetThatHoldsRows) {
  Scene scene;
  scene.facts.is_empty[kPayment] = false;
  EXPECT_THAT(scene.on_new(),
              ElementsAre("refusal: ledger.payment holds rows already, and oxbow has written none of them | "
                          "TRUNCATE \"ledger\".\"payment\"; if nobody needs them; where foreign keys refer "
                          "to it, name all these "
                          "tables in one TRUNCATE"));
  scene.facts.is_empty.clear();
  EXPECT_THAT(scene.on_new(), IsEmpty());
}

TEST(Preflight, RefusesTablesWhoseRowsItCannotTrust) {
  Scene scene;
  scene.facts.rows_hidden = {kPayments};
  scene.facts.unlogged = {kPayments, kPayment};
  EXPECT_THAT(
      scene.on_legacy(),
      ElementsAre("refusal: row security of public.payments may hide rows from role oxbow | ALTER ROLE "
                  "\"oxbow\" BYPASSRLS;",
                  HasSubstr("unlogged: its changes are not in the log | ALTER TABLE "
                            "\"public\".\"payments\" SET LOGGED;")));
  EXPECT_THAT(scene.on_new(), ElementsAre(HasSubstr("unlogged: a crash would empty it")));
  scene.facts.rows_hidden = {kPayment};
  EXPECT_THAT(scene.on_new(), testing::Contains(HasSubstr("row security of ledger.payment may hide rows")));
}

TEST(Preflight, AnnouncesWhatTheLogWillHold) {
  Scene scene;
  scene.payments().replica_identity = ReplicaIdentity::nothing;
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(HasSubstr("| ALTER TABLE \"public\".\"payments\" REPLICA IDENTITY DEFAULT;")));

  scene.payments().replica_identity = ReplicaIdentity::default_key;
  scene.payments().indexes[0].primary = false;
  EXPECT_THAT(scene.on_legacy(), ElementsAre(HasSubstr("REPLICA IDENTITY USING INDEX \"payments_pkey\";")));
  scene.payments().replica_identity = ReplicaIdentity::index;
  scene.payments().replica_identity_index = "payments_pkey";
  EXPECT_THAT(scene.on_legacy(), IsEmpty());

  scene.payments().indexes.clear();
  scene.spec.entities[0].tables[0].identity_is_full_row = true;
  EXPECT_THAT(scene.on_legacy(), ElementsAre(HasSubstr("REPLICA IDENTITY FULL;")));
  scene.payments().replica_identity = ReplicaIdentity::full;
  EXPECT_THAT(scene.on_legacy(), IsEmpty());
}

TEST(Preflight, WarnsOfNewPartitionsThatBeginWithoutAnIdentity) {
  Scene scene;
  scene.payments().partitioned = true;
  EXPECT_THAT(scene.on_legacy(), IsEmpty()) << "the primary key of a partition identifies its rows";
  scene.payments().indexes[0].primary = false;
  scene.payments().replica_identity = ReplicaIdentity::index;
  scene.payments().replica_identity_index = "payments_pkey";
  EXPECT_THAT(scene.on_legacy(), ElementsAre(HasSubstr("a new partition of public.payments has no replica "
                                                       "identity and refuses UPDATE and DELETE")));
  scene.facts.may_watch_ddl = true;
  EXPECT_THAT(scene.on_legacy(), ElementsAre(HasSubstr("oxbow sets it by an event trigger")));
}

TEST(Preflight, WarnsOfKeysInTheOrderOfALocale) {
  Scene scene;
  scene.payments().columns[0].type = build::text();
  scene.payments().columns[0].collation_is_c = false;
  scene.payments().columns[0].collation = "de_DE";
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(HasSubstr("ordered by collation de_DE, not C: the table is copied in one range")));
}

TEST(Preflight, RefusesConstraintsThatAReplicaDoesNotEnforce) {
  Scene scene;
  auto add = [&](Index index) { scene.payment().indexes.push_back(std::move(index)); };
  add({.name = "u", .columns = {"a", "b"}, .unique = true, .immediate = false});
  add({.name = "no_overlap", .immediate = false});
  scene.payment().indexes.front().immediate = false;
  EXPECT_THAT(
      scene.on_new(),
      ElementsAre(
          HasSubstr("ADD CONSTRAINT \"payment_pkey\" PRIMARY KEY (\"id\") NOT DEFERRABLE;"),
          "refusal: constraint u of ledger.payment is DEFERRABLE, and PostgreSQL enforces no such "
          "constraint in the sessions that oxbow writes with (session_replication_role = replica) | "
          "make it NOT DEFERRABLE until the migration is over: ALTER TABLE \"ledger\".\"payment\" DROP "
          "CONSTRAINT \"u\", ADD CONSTRAINT \"u\" UNIQUE (\"a\", \"b\") NOT DEFERRABLE;",
          HasSubstr("ADD CONSTRAINT \"no_overlap\" EXCLUDE ... NOT DEFERRABLE;")));
}

TEST(Preflight, LegacyConstraintsMayBeDeferrable) {
  Scene scene;
  scene.payments().indexes.push_back(
      {.name = "u", .columns = {"a", "b"}, .unique = true, .immediate = false});
  EXPECT_THAT(scene.on_legacy(), IsEmpty());
}

TEST(Preflight, ListsTablesThatNobodyCovers) {
  Scene scene;
  scene.legacy.tables.emplace(TableName{"public", "audit"}, table("public", "audit", {}));
  scene.legacy.tables.emplace(TableName{"oxbow", "ranges"}, table("oxbow", "ranges", {}));
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre("warning: no entity covers public.audit: what is in there stays behind | add them "
                          "to entities, or write exclude: [public.audit]"));
  scene.spec.excluded = {{"public", "audit"}, {"public", "audits"}};
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(HasSubstr("has no table public.audits; did you mean public.audit?")));
}

}  // namespace
}  // namespace oxbow
