#include "core/spec/preflight_handover.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/catalog_builder.hpp"

namespace oxbow {
namespace {

using namespace build;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const TableName kPayments{"public", "payments"};
const TableName kPayment{"ledger", "payment"};

// Two servers on which a handover has all that it needs.
struct HandoverScene {
  Spec spec;
  ServerFacts facts;
  Catalog legacy =
      catalog("billing", {with_primary_key(table("public", "payments", {not_null("id", int8())}), {"id"})});
  Catalog fresh =
      catalog("ledger", {with_primary_key(table("ledger", "payment", {not_null("id", int8())}), {"id"})});

  HandoverScene() {
    EntitySpec entity;
    entity.name = "payment";
    entity.key = "id";
    entity.tables.push_back({.legacy = kPayments, .new_side = kPayment, .mark = {8, 9}});
    spec.entities.push_back(entity);
    facts.user = "oxbow";
    facts.wal_level = "logical";
    facts.replication_slots_free = facts.wal_senders_free = facts.origins_free = 1;
    facts.may_replicate = facts.may_use_origins = facts.may_set_replication_role = true;
  }

  // "sentence | remedy", without what all of them begin with.
  std::vector<std::string> complaints(Side side) const {
    std::vector<std::string> out;
    for (const auto& item : judge_handover(spec, side, facts, side == Side::legacy ? legacy : fresh)) {
      EXPECT_EQ(item.side, side);
      EXPECT_EQ(item.verdict, PreflightItem::Verdict::warning) << "the mirror works without";
      std::string_view begin = "mirroring works, but a later handover does not: ";
      EXPECT_THAT(item.sentence, StartsWith(std::string(begin)));
      out.push_back(item.sentence.substr(begin.size()) + " | " + item.remedy);
    }
    return out;
  }
  std::vector<std::string> on_legacy() const { return complaints(Side::legacy); }
  std::vector<std::string> on_new() const { return complaints(Side::new_side); }
};

TEST(PreflightHandover, FindsNothingWhereEverythingIsReady) {
  HandoverScene scene;
  EXPECT_THAT(scene.on_legacy(), IsEmpty());
  EXPECT_THAT(scene.on_new(), IsEmpty());
}

TEST(PreflightHandover, WantsTheLogOfTheNewSide) {
  HandoverScene scene;
  scene.facts.wal_level = "replica";
  scene.facts.replication_slots_free = scene.facts.wal_senders_free = 0;
  scene.facts.may_replicate = false;
  EXPECT_THAT(scene.on_new(),
              ElementsAre("wal_level is replica, so the log does not hold what would have to come back to "
                          "legacy | ALTER SYSTEM SET wal_level = 'logical'; and restart the server",
                          StartsWith("no replication slot is free for the stream back | ALTER SYSTEM"),
                          StartsWith("no WAL sender is free for the stream back | ALTER SYSTEM"),
                          "role oxbow may not read the log, as the stream back has to | ALTER ROLE \"oxbow\" "
                          "REPLICATION;"));
  EXPECT_THAT(scene.on_legacy(), IsEmpty()) << "the mirror wants that already";
}

TEST(PreflightHandover, WantsToWriteLegacyAsAReplica) {
  HandoverScene scene;
  scene.facts.may_use_origins = scene.facts.may_set_replication_role = false;
  scene.facts.origins_free = 0;
  scene.facts.not_writable = {kPayments};
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre(StartsWith("no replication origin is free"),
                          HasSubstr("| GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text) TO "
                                    "\"oxbow\"; GRANT"),
                          HasSubstr("| GRANT SET ON PARAMETER session_replication_role TO \"oxbow\";"),
                          "role oxbow may not write public.payments, as the stream back has to | GRANT USAGE "
                          "ON SCHEMA \"public\" TO \"oxbow\"; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE "
                          "ON \"public\".\"payments\" TO \"oxbow\";"));
  EXPECT_THAT(scene.on_new(), IsEmpty());
  scene.legacy.server_version = 140'009;
  EXPECT_THAT(scene.on_legacy(), testing::Contains(HasSubstr("| ALTER ROLE \"oxbow\" SUPERUSER;")));
}

TEST(PreflightHandover, NamesTriggersThatWouldFireBehindAGuardOnEitherSide) {
  HandoverScene scene;
  scene.facts.triggers_behind_guards = {{kPayments, {"~~last"}}, {kPayment, {"\u00fcber"}}};
  EXPECT_THAT(scene.on_legacy(),
              ElementsAre("trigger ~~last of public.payments would fire behind the guard, by its name, and "
                          "could change what the guard has seen | give it a name that begins with a letter: "
                          "ALTER TRIGGER \"~~last\" ON \"public\".\"payments\" RENAME TO ...;"));
  EXPECT_THAT(scene.on_new(), ElementsAre(StartsWith("trigger \u00fcber of ledger.payment")));
}

TEST(PreflightHandover, WantsTheKeyOfTheEntityOnTheNewTable) {
  HandoverScene scene;
  TableMapping mapping;
  mapping.target.name = kPayment;
  auto items = judge_guarded_key(scene.spec.entities.front(), mapping, {3, 4});
  ASSERT_THAT(items, testing::SizeIs(1));
  EXPECT_EQ(
      items[0].sentence,
      "mirroring works, but a later handover of payment does not: ledger.payment does not hold id, the key "
      "of payment, as legacy prints it, so no guard can tell whose rows are written there");
  EXPECT_EQ(items[0].remedy, "give the new table a column for id and carry it there");
  mapping.new_entity_key = "id";
  EXPECT_THAT(judge_guarded_key(scene.spec.entities.front(), mapping, {}), IsEmpty());
}

}  // namespace
}  // namespace oxbow
