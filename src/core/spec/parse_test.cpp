#include "core/spec/parse.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/spec_text.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using namespace std::chrono_literals;

constexpr std::string_view kPayments = R"(migration: payments
owners: { legacy: team-billing, new: team-ledger, coexistence: team-platform }
systems:
  legacy: { database: "postgresql:///billing", service: "http://127.0.0.1:8081" }
  new:    { database: "postgresql:///ledger",  service: "http://127.0.0.1:8082" }
entities:
  payment:
    key: payment_id
    tables:
      - legacy: public.payments
        new: ledger.payment
        columns:
          payment_id: id
          amount: { to: amount_minor, scale: 100 }
          state:  { to: status, map: { A: authorised, C: captured, R: refunded } }
          note: { drop: true, why: "free text, moved to the support system", backward: "''" }
        may_differ: [ { column: updated_at, until: 2027-03-01, why: "set by trigger on both sides" } ]
        new_only: "currency <> 'EUR'"
    routes:
      - { route: "GET /payments/{payment_id}", read: latency, switch_group: customer-view }
      - { route: "POST /payments", write: true, operation_key: [ body.customer_id, body.external_ref ] }
    cohorts:
      - { name: pilot, keys: [ "4711", "4712" ] }
      - { name: one-percent, percent: 1 }
      - { name: quarter, percent: 25 }
      - { name: rest }
    reads: { consistency: new-write, latency: new-read, bulk: new-read, historical: fully-cutover }
    invariants:
      - { name: no-capture-after-refund, transition: { column: status, never: [ "refunded -> captured" ] } }
gates:
  new-write: { proof_age_max: 15m, divergence_max: 0, coverage_min: 99.9%, lag_max: 500ms }
rollback: { deadline: 2027-02-01, rehearsed_within: 14d }
sunset:   { remove_by: 2027-04-01, deletion_owner: team-platform }
)";

// The least a spec needs, with `table` as its only table (indented by six) and `more` at the end.
std::string minimal(std::string_view table, std::string_view more = "") {
  return fmt::format(R"(migration: m
owners: {{legacy: a, new: b, coexistence: c}}
systems: {{legacy: {{database: "postgresql:///a"}}, new: {{database: "postgresql:///b"}}}}
entities:
  e:
    key: id
    tables:
      - {}
{})",
                     table, more);
}

std::string with_columns(std::string_view columns) {
  return minimal("legacy: t\n        new: n.t\n        columns:\n" + std::string(columns));
}

std::vector<std::string> mistakes_in(std::string_view text) {
  return lines_of(parse_spec_text(text).mistakes);
}

Spec spec_of(std::string_view text) {
  auto parsed = parse_spec_text(text);
  EXPECT_THAT(lines_of(parsed.mistakes), IsEmpty());
  return parsed.spec.value_or(Spec{});
}

TEST(Spec, ReadsEverythingThatTheExampleSays) {
  auto spec = spec_of(kPayments);
  EXPECT_EQ(spec.migration, "payments");
  EXPECT_EQ(spec.owners.coexistence, "team-platform");
  EXPECT_EQ(spec.legacy.database, "postgresql:///billing");
  EXPECT_THAT(spec.new_side.services, ElementsAre("http://127.0.0.1:8082"));
  EXPECT_EQ(spec.hash.size(), 64u);

  const auto& entity = *spec.find_entity("payment");
  EXPECT_EQ(entity.key, "payment_id");
  EXPECT_THAT(
      entity.reads,
      ElementsAre(Pair(ReadClass::latency, State::new_read), Pair(ReadClass::consistency, State::new_write),
                  Pair(ReadClass::historical, State::fully_cutover), Pair(ReadClass::bulk, State::new_read)));
  ASSERT_EQ(entity.invariants.size(), 1u);
  EXPECT_THAT(entity.invariants[0].definition, HasSubstr("refunded -> captured"));

  ASSERT_EQ(entity.tables.size(), 1u);
  const auto& table = entity.tables[0];
  EXPECT_EQ(table.legacy, (TableName{"public", "payments"}));
  EXPECT_EQ(table.new_side, (TableName{"ledger", "payment"}));
  EXPECT_EQ(table.new_only, "currency <> 'EUR'");
  ASSERT_EQ(table.may_differ.size(), 1u);
  EXPECT_EQ(table.may_differ[0].until, 2027y / 3 / 1);

  EXPECT_EQ(spec.gates.at(State::new_write).proof_age_max, 15min);
  EXPECT_EQ(spec.gates.at(State::new_write).lag_max, 500ms);
  EXPECT_EQ(spec.gates.at(State::new_write).divergence_max, 0u);
  EXPECT_DOUBLE_EQ(*spec.gates.at(State::new_write).coverage_min_percent, 99.9);
  EXPECT_EQ(spec.rollback_deadline, 2027y / 2 / 1);
  EXPECT_EQ(spec.rollback_rehearsed_within, 14 * 24h);
  EXPECT_EQ(spec.remove_by, 2027y / 4 / 1);
  EXPECT_EQ(spec.deletion_owner, "team-platform");
}

TEST(Spec, ReadsRoutesAndCohortsOfTheExample) {
  auto entity = *spec_of(kPayments).find_entity("payment");
  ASSERT_EQ(entity.routes.size(), 2u);
  EXPECT_EQ(entity.routes[0].method, "GET");
  EXPECT_EQ(entity.routes[0].path, "/payments/{payment_id}");
  EXPECT_EQ(entity.routes[0].read, ReadClass::latency);
  EXPECT_EQ(entity.routes[0].switch_group, "customer-view");
  EXPECT_TRUE(entity.routes[1].write);
  EXPECT_THAT(entity.routes[1].operation_key, ElementsAre("body.customer_id", "body.external_ref"));

  ASSERT_EQ(entity.cohorts.size(), 4u);
  EXPECT_THAT(entity.cohorts[0].keys, ElementsAre("4711", "4712"));
  EXPECT_EQ(entity.cohorts[1].buckets, 100u);
  EXPECT_EQ(entity.cohorts[2].buckets, 2500u);
  EXPECT_TRUE(entity.cohorts[3].rest);
}

TEST(Spec, ReadsEveryColumnRule) {
  auto spec = spec_of(minimal(R"(legacy: t
        new: n.t
        columns:
          a: renamed
          b: {to: b2, backward: "b2 + 1", why: because}
          c: {to: c2, cast: bigint}
          d: {cast: text}
          e: {to: e2, scale: 100}
          f: {to: f2, map: {A: authorised, "1": one}}
          g: {split: " ", to: [first, last]}
          h: {json: {city: address.city, zip: address."post.code"}}
          i: {drop: true, why: gone, backward: "''"}
        add:
          j: {constant: "EUR"}
          k: {default: true}
          l: {concat: [x, y], with: "-"}
          m: {sql: "x + 1", from: [x], backward: "m - 1"}
          o: {sql: now()})"));
  const auto& rules = spec.entities[0].tables[0].columns;
  auto row = [](const ColumnRule& rule) {
    std::string text = std::to_string(static_cast<int>(rule.op));
    for (const auto& name : rule.legacy) text += " " + name;
    text += " >";
    for (const auto& name : rule.new_side) text += " " + name;
    text += " (" + rule.argument + ")";
    for (const auto& [from, to] : rule.map) text += " " + from + "=" + to;
    if (rule.backward) text += " <" + *rule.backward;
    return text;
  };
  std::vector<std::string> rows;
  for (const auto& rule : rules) rows.push_back(row(rule));
  EXPECT_THAT(rows, ElementsAre("0 a > renamed ()", "0 b > b2 () <b2 + 1", "1 c > c2 (bigint)",
                                "1 d > d (text)", "2 e > e2 (100)", "3 f > f2 () A=authorised 1=one",
                                "7 g > first last ( )", "8 h > city (address.city)",
                                "8 h > zip (address.\"post.code\")", "9 i > () <''", "4 > j (EUR)",
                                "5 > k ()", "6 x y > l (-)", "10 x > m (x + 1) <m - 1", "10 > o (now())"));
  EXPECT_EQ(rules[1].why, "because");
  EXPECT_EQ(rules[1].mark, (Mark{12, 11}));
}

TEST(Spec, ReadsLimitsAndExcludedTables) {
  auto spec = spec_of(
      minimal("{legacy: t, new: n.t}",
              "exclude: [public.audit_log, '\"we ird\".\"ta.ble\"']\n"
              "limits: {workers: 4, rows_per_second: 5000, bytes_per_second: 50MB, retained_wal: 1GB, "
              "lag: 5s, active_sessions: 12, on_ddl: continue}\n"));
  EXPECT_THAT(spec.excluded, ElementsAre(TableName{"public", "audit_log"}, TableName{"we ird", "ta.ble"}));
  EXPECT_EQ(spec.limits.workers, 4);
  EXPECT_EQ(spec.limits.rows_per_second_max, 5000u);
  EXPECT_EQ(spec.limits.bytes_per_second_max, 50ull << 20);
  EXPECT_EQ(spec.limits.retained_wal_bytes_max, 1ull << 30);
  EXPECT_EQ(spec.limits.lag_max, 5s);
  EXPECT_EQ(spec.limits.active_sessions_max, 12u);
  EXPECT_EQ(spec.limits.on_ddl, OnDdl::carry_on);
}

TEST(Spec, NeedsLittleForAMirror) {
  auto spec = spec_of(minimal("{legacy: t, new: n.t, identity: full-row}"));
  const auto& entity = spec.entities[0];
  EXPECT_EQ(entity.tables[0].legacy, (TableName{"public", "t"}));
  EXPECT_TRUE(entity.tables[0].identity_is_full_row);
  ASSERT_EQ(entity.cohorts.size(), 1u);
  EXPECT_EQ(entity.cohorts[0].name, "all");
  EXPECT_TRUE(entity.cohorts[0].rest);
  EXPECT_EQ(spec.limits.retained_wal_bytes_max, 10ull << 30);
}

TEST(Spec, HashChangesWithEveryByte) {
  auto text = std::string(kPayments);
  EXPECT_NE(spec_of(text).hash, spec_of(text + "# a comment\n").hash);
}

TEST(SpecMistakes, AreReportedAllAtOnceInTheOrderOfTheFile) {
  auto lines = mistakes_in(R"(migration: pay ments
owners: { legacy: a, new: b }
systems:
  legacy: { database: "billing" }
  new: { database: "postgresql:///b" }
entities:
  e:
    tabels: []
    tables:
      - { legacy: a.b.c, new: x, columns: { amount: { scal: 100 } } }
limits: { lag: 30 }
)");
  EXPECT_THAT(
      lines,
      ElementsAre("oxbow.yaml:1:12: 'migration' must be a name: a letter, then at most 39 letters, digits, - "
                  "or _, not 'pay ments'",
                  "oxbow.yaml:2:9: 'owners' lacks the key 'coexistence'; expected a text",
                  HasSubstr("oxbow.yaml:4:23: 'database' must be a PostgreSQL address such as"),
                  "oxbow.yaml:8:5: entity 'e' lacks the key 'key'; expected the name of a column",
                  "oxbow.yaml:8:5: unknown key 'tabels'; expected one of key, tables, routes, cohorts, "
                  "reads, invariants; did you "
                  "mean 'tables'?",
                  HasSubstr("oxbow.yaml:10:19: 'legacy' must be a table such as public.payments"),
                  HasSubstr("oxbow.yaml:10:53: column 'amount' lacks the key 'to'"),
                  HasSubstr("unknown key 'scal'; expected one of to, backward, why, cast, scale"),
                  "oxbow.yaml:11:16: 'lag' must be a duration such as 500ms, 15m, 2h or 90d, not '30'"));
  EXPECT_THAT(lines[7], HasSubstr("did you mean 'scale'?"));
}

TEST(SpecMistakes, NameWhatIsNotTheRightKindOfValue) {
  EXPECT_THAT(
      mistakes_in("just words\n"),
      ElementsAre(
          "oxbow.yaml:1:1: the file must be a spec with migration, owners, systems and entities, not a "
          "single value"));
  EXPECT_THAT(mistakes_in(minimal("{legacy: t, new: n.t, columns: [a]}")),
              ElementsAre(HasSubstr(
                  "'columns' must be a map from legacy columns to what becomes of them, not a list")));
  EXPECT_THAT(mistakes_in(minimal("{legacy: t, new: n.t, columns: {}}")),
              ElementsAre(HasSubstr("'columns' is empty")));
  EXPECT_THAT(mistakes_in(with_columns("          a:\n")),
              ElementsAre(HasSubstr("column 'a' must be a new column such as")));
  EXPECT_THAT(mistakes_in(with_columns("          a: {drop: false, why: x}\n")),
              ElementsAre(HasSubstr("'drop' must be true, not 'false'")));
}

TEST(SpecMistakes, SuggestWordsOfClosedLists) {
  EXPECT_THAT(
      mistakes_in(minimal("{legacy: t, new: n.t}", "limits: {on_ddl: pauze}\n")),
      ElementsAre(
          "oxbow.yaml:9:18: 'on_ddl' must be one of pause, continue, not 'pauze'; did you mean 'pause'?"));
  EXPECT_THAT(mistakes_in(minimal("{legacy: t, new: n.t}", "gates: {new_write: {lag_max: 1s}}\n")),
              ElementsAre(HasSubstr("did you mean 'new-write'?")));
}

TEST(SpecMistakes, RefuseKeysAndColumnsGivenTwice) {
  EXPECT_THAT(mistakes_in(minimal("{legacy: t, new: n.t}", "migration: again\n")),
              ElementsAre("oxbow.yaml:9:1: key 'migration' stands twice; first in line 1"));
  EXPECT_THAT(mistakes_in(with_columns("          a: x\n          a: y\n")),
              ElementsAre("oxbow.yaml:12:11: key 'a' stands twice; first in line 11"));
  EXPECT_THAT(mistakes_in(with_columns("          a: x\n          b: {split: ',', to: [y, x]}\n")),
              ElementsAre("oxbow.yaml:12:11: new column 'x' is written twice; first in line 11"));
  EXPECT_THAT(mistakes_in(with_columns("          a: x\n        add: {x: {default: true}}\n")),
              ElementsAre("oxbow.yaml:12:15: new column 'x' is written twice; first in line 11"));
  EXPECT_THAT(mistakes_in(minimal("{legacy: t, new: n.t, identity: [a, a]}")),
              ElementsAre(HasSubstr("column 'a' stands twice in 'identity'")));
}

TEST(SpecMistakes, RefuseRulesThatContradictThemselves) {
  EXPECT_THAT(mistakes_in(with_columns("          a: {cast: text, scale: 10}\n")),
              ElementsAre(HasSubstr("column 'a' has cast, scale; only one of them can be meant")));
  EXPECT_THAT(mistakes_in(with_columns("          a: {drop: true}\n")),
              ElementsAre(HasSubstr("lacks the key 'why'")));
  EXPECT_THAT(mistakes_in(with_columns("          id: {drop: true, why: x}\n")),
              ElementsAre(HasSubstr("column 'id' is the entity's key and cannot be dropped")));
  EXPECT_THAT(mistakes_in(minimal("{legacy: t, new: n.t, add: {x: {}}}")),
              ElementsAre(HasSubstr("column 'x' needs one of the keys constant, default, concat, sql")));
  EXPECT_THAT(mistakes_in(minimal("{legacy: t, new: n.t, add: {x: {sql: a||b, from: [a, b], backward: x}}}")),
              ElementsAre(HasSubstr("'backward' gives one legacy column back, but 'from' names 2")));
}

TEST(SpecMistakes, RefuseTablesThatHaveTwoHomes) {
  auto two = [](std::string_view second) {
    return minimal("{legacy: a, new: n.a}\n      - " + std::string(second));
  };
  EXPECT_THAT(mistakes_in(two("{legacy: a, new: n.b}")), IsEmpty());
  EXPECT_THAT(mistakes_in(two("{legacy: a, new: n.a}")),
              ElementsAre("oxbow.yaml:9:9: public.a to n.a is listed twice; first in line 8"));
  EXPECT_THAT(
      mistakes_in(two("{legacy: b, new: n.a}")),
      ElementsAre(
          "oxbow.yaml:9:9: new table n.a is fed by public.a already (line 8); several legacy tables into "
          "one new table are not supported"));
  EXPECT_THAT(mistakes_in(minimal("{legacy: a, new: n.a}",
                                  "  f:\n    key: id\n    tables: [{legacy: a, new: n.b}]\n")),
              ElementsAre(HasSubstr("legacy table public.a belongs to entity 'e' already (line 8)")));
  EXPECT_THAT(mistakes_in(minimal("{legacy: a, new: n.a}", "exclude: [a, b, b]\n")),
              ElementsAre("oxbow.yaml:9:11: public.a is excluded, but entity 'e' maps it; choose one",
                          "oxbow.yaml:9:17: public.b stands twice in 'exclude'"));
}

std::vector<std::string> mistakes_in_cohorts(std::string_view cohorts) {
  return mistakes_in(minimal("{legacy: t, new: n.t}", "    cohorts: [" + std::string(cohorts) + "]\n"));
}

TEST(SpecMistakes, RefuseCohortsThatDoNotTakeEachKeyOnce) {
  EXPECT_THAT(mistakes_in_cohorts("{name: a, percent: 60}, {name: b, percent: 40}"), IsEmpty());
  EXPECT_THAT(mistakes_in_cohorts("{name: a, percent: 0.01}, {name: rest}"), IsEmpty());
  EXPECT_THAT(mistakes_in_cohorts("{name: a, percent: 0.001}, {name: rest}"),
              ElementsAre(HasSubstr("'percent' must be a percentage above 0 in steps of 0.01")));
  EXPECT_THAT(mistakes_in_cohorts("{name: a, percent: 0.001}"), testing::SizeIs(1));
  EXPECT_THAT(mistakes_in_cohorts("{name: a, percent: 60}, {name: b, percent: 41}"),
              ElementsAre(HasSubstr("up to cohort 'b' the percentages add up to 101, more than 100")));
  EXPECT_THAT(mistakes_in_cohorts("{name: a, percent: 60}"),
              ElementsAre(HasSubstr("some keys are in no cohort; end the list with {name: rest}")));
  EXPECT_THAT(
      mistakes_in_cohorts("{name: rest}, {name: a, percent: 60}"),
      testing::Contains(HasSubstr("cohort 'rest' takes all remaining keys, so it must be the last one")));
  EXPECT_THAT(mistakes_in_cohorts("{name: a, keys: ['1', '2']}, {name: b, keys: ['2']}, {name: rest}"),
              ElementsAre(HasSubstr("key '2' is in two cohorts; first in line 9")));
  EXPECT_THAT(mistakes_in_cohorts("{name: a, percent: 1}, {name: a, percent: 1}, {name: rest}"),
              ElementsAre(HasSubstr("two cohorts are called 'a'")));
  EXPECT_THAT(mistakes_in_cohorts("{name: a, percent: 1, keys: [x]}, {name: rest}"),
              ElementsAre(HasSubstr("has keys, percent; only one of them can be meant")));
}

std::vector<std::string> mistakes_in_routes(std::string_view routes, std::string_view reads) {
  return mistakes_in(
      minimal("{legacy: t, new: n.t}", fmt::format("    routes: [{}]\n    reads: {{{}}}\n", routes, reads)));
}

TEST(SpecMistakes, RefuseRoutesThatCannotMove) {
  constexpr std::string_view reads = "latency: new-read, bulk: fully-cutover";
  EXPECT_THAT(
      mistakes_in_routes(
          "{route: GET /a, read: latency, switch_group: g}, {route: GET /b, read: bulk, switch_group: g}",
          reads),
      ElementsAre(HasSubstr("GET /b moves in state fully-cutover, but GET /a of the same switch_group 'g' "
                            "moves in new-read; a group moves in one step")));
  EXPECT_THAT(mistakes_in_routes("{route: GET /a, read: historical}", reads),
              ElementsAre(HasSubstr("reads by class 'historical', but 'reads' does not say in which state")));
  EXPECT_THAT(mistakes_in_routes("{route: GET /a, read: latency}, {route: GET /a, read: bulk}", reads),
              ElementsAre(HasSubstr("route GET /a is listed twice")));
  EXPECT_THAT(mistakes_in_routes("{route: POST /a, write: true}", reads),
              ElementsAre(HasSubstr("lacks the key 'operation_key'")));
  EXPECT_THAT(mistakes_in_routes("{route: POST /a, write: true, operation_key: [id]}", reads),
              ElementsAre(HasSubstr("must be a part of the request: path.x, query.x, header.x or body.x")));
  EXPECT_THAT(mistakes_in_routes("{route: FETCH a, read: bulk}", reads),
              ElementsAre(HasSubstr("must be a method and a path")));
  EXPECT_THAT(mistakes_in_routes("{route: GET /a, read: consistency}", "consistency: new-read"),
              ElementsAre(HasSubstr("'consistency' must be new-write")));
}

TEST(SpecDecisions, AreNamedWithTheirComment) {
  auto parsed =
      parse_spec_text(with_columns("          a: DECIDE  # drop it, or name a new column\n"
                                   "          b: {map: {A: DECIDE}}\n"
                                   "          c: {to: 'DECIDE'}\n"));
  EXPECT_THAT(lines_of(parsed.mistakes),
              ElementsAre("oxbow.yaml:11:14: column 'a' is undecided: drop it, or name a new column",
                          "oxbow.yaml:12:24: value 'A' is undecided"));
  EXPECT_FALSE(parsed.spec);
  EXPECT_EQ(code_of(parsed.mistakes), ErrorCode::spec_undecided);
}

TEST(SpecDecisions, BringAboutNoOtherMistakes) {
  auto lines = mistakes_in(R"(migration: DECIDE
owners: DECIDE
systems: {legacy: DECIDE, new: {database: DECIDE}}
entities:
  e:
    key: DECIDE
    tables:
      - {legacy: a, new: DECIDE, identity: DECIDE}
      - {legacy: b, new: DECIDE, identity: [DECIDE], add: {x: {concat: DECIDE}}}
    routes: [{route: GET /a, read: DECIDE}, {route: DECIDE, read: bulk}]
    reads: {latency: DECIDE}
    cohorts: [{name: a, percent: DECIDE}]
)");
  EXPECT_EQ(lines.size(), 14u);
  for (const auto& line : lines) EXPECT_THAT(line, HasSubstr("is undecided"));
}

TEST(SpecDecisions, ComeSecondToRealMistakes) {
  auto parsed = parse_spec_text(minimal("{legacy: t, new: DECIDE, colums: {}}"));
  EXPECT_EQ(parsed.mistakes.size(), 2u);
  EXPECT_EQ(code_of(parsed.mistakes), ErrorCode::spec_invalid);
}

TEST(SpecEnvironment, GivesPasswordsToAddresses) {
  auto text = minimal("{legacy: t, new: n.t}");
  text.replace(text.find("postgresql:///a"), 15, "postgresql://u:${PW}@h/a");
  EXPECT_EQ(parse_spec_text(text, {{"PW", "p@ss/word"}}).spec->legacy.database,
            "postgresql://u:p%40ss%2Fword@h/a");
  EXPECT_THAT(
      lines_of(parse_spec_text(text).mistakes),
      ElementsAre(
          "oxbow.yaml:3:30: the address of the legacy database: the environment variable PW is not set"));
}

}  // namespace
}  // namespace oxbow
