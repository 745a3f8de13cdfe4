#include "adapters/postgres/guard_sql.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <map>
#include <vector>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/names.hpp"
#include "base/assert.hpp"
#include "core/cohort/cohorts.hpp"

namespace oxbow::postgres {
namespace {

constexpr std::size_t kGuardNameMax = 40;      // leaves room for what is appended to it
constexpr int kModeBits = 2, kEpochBits = 20;  // the order has the rest
constexpr std::int64_t kEpochMask = (1 << kEpochBits) - 1;
constexpr std::int64_t kLockSpace = 0x6f78626fll << 32;

std::string array_literal(const std::vector<std::string>& elements, std::string_view type) {
  return fmt::format("{}::{}[]", quote_literal(to_text_array(elements)), type);
}

// What belongs to a cohort, as SQL of `type`.
struct ImageOfCohort {
  std::function<std::string(CohortId)> text;  // of the value
  std::string_view type;
};

// Keys that cohorts name come before any bucket.
std::string named_keys_sql(const CohortTable& cohorts, std::string_view key_sql, const ImageOfCohort& image) {
  std::map<CohortId, std::vector<std::string>> keys;
  for (const auto& [key, cohort] : cohorts.named_keys) keys[cohort].push_back(key);
  std::string cases;
  for (const auto& [cohort, named] : keys)
    cases +=
        fmt::format("WHEN {} OPERATOR(pg_catalog.=) ANY ({}) THEN {}::{} ", key_sql,
                    array_literal(named, "pg_catalog.text"), quote_literal(image.text(cohort)), image.type);
  return cases;
}

// The image of the cohort of `key_sql`, a text, without the number of its bucket: every row that is written
// pays for this. NULL for a NULL key, unless there is only one cohort.
std::string by_cohort_sql(const CohortTable& cohorts, std::string_view key_sql, const ImageOfCohort& image) {
  std::vector<std::string> images, begins;
  for (std::uint32_t bucket = 0; bucket < kBucketCount; ++bucket) {
    auto cohort = cohorts.by_bucket[bucket];
    if (bucket > 0 && cohort == cohorts.by_bucket[bucket - 1]) continue;
    if (bucket > 0) begins.push_back(first_digest_of(bucket));
    images.push_back(image.text(cohort));
  }
  auto by_bucket = fmt::format("{}::{}", quote_literal(images.front()), image.type);
  if (images.size() > 1) {
    by_bucket = fmt::format(
        "({})[pg_catalog.width_bucket(pg_catalog.md5({} OPERATOR(pg_catalog.||) {}) COLLATE "
        "pg_catalog.\"C\", {}) OPERATOR(pg_catalog.+) 1]",
        array_literal(images, image.type), quote_literal(cohorts.salt + ":"), key_sql,
        array_literal(begins, "pg_catalog.text"));
  }
  auto named = named_keys_sql(cohorts, key_sql, image);
  return named.empty() ? by_bucket : fmt::format("CASE {}ELSE {} END", named, by_bucket);
}

std::string mode_sql(const std::string& guard, const GuardedEntity& entity, std::string_view key_sql) {
  ImageOfCohort cell{[&](CohortId cohort) { return guard_cell(guard, cohort.value()); },
                     "pg_catalog.regclass"};
  return fmt::format("(pg_catalog.pg_sequence_last_value({}) OPERATOR(pg_catalog.&) 3)",
                     by_cohort_sql(entity.cohorts, key_sql, cell));
}

// What a row meets whose guard is not simply open. An unknown state counts as closed.
constexpr std::string_view kJudgeSql = R"sql(
CREATE OR REPLACE FUNCTION oxbow.{guard}_judge(cohort int, subject text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $judge$
DECLARE
  cell CONSTANT regclass := ({cells})[cohort + 1];
  scope CONSTANT text := {entity} || '/' || coalesce(({names})[cohort + 1], '?');
  word bigint := pg_sequence_last_value(cell);
BEGIN
  IF word & 3 = 1 THEN
    -- Who does not get the lock at once meets a fence that is being drained. Who gets it may have read the
    -- mode before the fence came, so it is read again.
    IF pg_try_advisory_xact_lock_shared({lock_of_cell}) THEN
      word := pg_sequence_last_value(cell);
      IF word & 3 <= 1 THEN RETURN; END IF;
    ELSE
      word := word + 1;
    END IF;
  END IF;
  IF word & 3 = 0 THEN RETURN; END IF;
  IF word & 3 = 2 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'serialization_failure',
      MESSAGE = format('%s is being handed over at this moment: run the transaction again', scope);
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'OX001',
    MESSAGE = format('%s cannot be written here: %s is at home on %s', subject, scope, {home}),
    DETAIL = format('The authority for %s is there since epoch %s.', scope, {epoch_of_word}),
    HINT = format('Write it there. Who answers for it: %s.', {owner});
END
$judge$;
CREATE OR REPLACE FUNCTION oxbow.{guard}_judge(key text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $judge$
BEGIN
  PERFORM oxbow.{guard}_judge({cohort_of_key}, {entity} || coalesce(' ' || key, ' without a key'));
END
$judge$;
CREATE OR REPLACE FUNCTION oxbow.{guard}_truncate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $truncate$
BEGIN
  FOR cohort IN 0 .. {last_cohort} LOOP
    PERFORM oxbow.{guard}_judge(cohort, TG_TABLE_NAME);
  END LOOP;
  RETURN NULL;
END
$truncate$;
GRANT EXECUTE ON FUNCTION oxbow.{guard}_judge(int, text), oxbow.{guard}_judge(text) TO PUBLIC;
)sql";

// Each row comes through here, under the search path of whoever writes: every name says whose it is, because
// an operator or a function of his own must not stand in for ours. Keys are compared byte for byte, as
// cohorts are.
constexpr std::string_view kTableSql = R"sql(
CREATE OR REPLACE FUNCTION {insert}() RETURNS trigger LANGUAGE plpgsql AS $row$
BEGIN
  IF {mode_of_new} OPERATOR(pg_catalog.=) 0 THEN RETURN NEW; END IF;
  PERFORM oxbow.{guard}_judge({new_key});
  RETURN NEW;
END
$row$;
CREATE OR REPLACE FUNCTION {update}() RETURNS trigger LANGUAGE plpgsql AS $row$
BEGIN
  IF {mode_of_new} OPERATOR(pg_catalog.=) 0 AND {new_key} OPERATOR(pg_catalog.=) {old_key} THEN
    RETURN NEW;
  END IF;
  PERFORM oxbow.{guard}_judge({old_key});
  PERFORM oxbow.{guard}_judge({new_key});
  RETURN NEW;
END
$row$;
CREATE OR REPLACE FUNCTION {delete}() RETURNS trigger LANGUAGE plpgsql AS $row$
BEGIN
  IF {mode_of_old} OPERATOR(pg_catalog.=) 0 THEN RETURN OLD; END IF;
  PERFORM oxbow.{guard}_judge({old_key});
  RETURN OLD;
END
$row$;
)sql";

}  // namespace

std::string guard_name(std::string_view migration, Side side, std::string_view entity) {
  return identifier_for("guard_", fmt::format("{}/{}/{}", migration, name(side), entity), kGuardNameMax);
}

std::string guard_cell(std::string_view guard, std::size_t cohort) {
  return fmt::format("oxbow.{}_{}", guard, cohort);
}

// Triggers fire by their names, byte for byte; few names come behind this one.
std::string guard_trigger(std::string_view guard, std::string_view what) {
  return fmt::format("~oxbow_{}_{}", guard, what);
}

std::int64_t guard_word(GuardState state) {
  OXBOW_ASSERT(state.epoch <= kEpochMask, "authority has changed hands {} times", state.epoch);
  auto order_and_epoch = state.order.value() << kEpochBits | state.epoch;
  return static_cast<std::int64_t>(order_and_epoch << kModeBits | static_cast<std::uint64_t>(state.mode));
}

GuardState parse_guard_word(std::int64_t word) {
  auto order_and_epoch = static_cast<std::uint64_t>(word) >> kModeBits;
  return {static_cast<GuardMode>(word & 3), order_and_epoch & kEpochMask,
          GuardOrder(order_and_epoch >> kEpochBits)};
}

// The same order again changes nothing, so its answer may be lost. A fence comes only where a handover was
// announced: where the server has lost the announcement, who writes shares no lock, and nobody would wait for
// him.
std::string may_follow_sql(std::string_view before_sql, std::int64_t word) {
  auto epoch_of = [](std::string_view of) {
    return fmt::format("({} >> {} & {})", of, kModeBits, kEpochMask);
  };
  auto text = fmt::format("{}::bigint", word);
  bool is_fence = parse_guard_word(word).mode == GuardMode::fenced;
  auto announced =
      is_fence ? fmt::format(" AND {} & 3 = {}", before_sql, static_cast<int>(GuardMode::near)) : "";
  return fmt::format("coalesce({0} = {1} OR {0} >> {2} < {1} >> {2} AND {3} <= {4}{5}, true)", before_sql,
                     text, kModeBits + kEpochBits, epoch_of(before_sql), epoch_of(text), announced);
}

std::string guard_lock_sql(std::string_view cell_sql) {
  return fmt::format("{} + {}::oid::bigint", kLockSpace, cell_sql);
}

std::string guard_functions_sql(const std::string& guard, const GuardedEntity& entity) {
  std::vector<std::string> cells;
  for (std::size_t i = 0; i < entity.cohort_names.size(); ++i) cells.push_back(guard_cell(guard, i));
  ImageOfCohort number{[](CohortId cohort) { return std::to_string(cohort.value()); }, "int"};
  return fmt::format(
      fmt::runtime(kJudgeSql), fmt::arg("guard", guard), fmt::arg("cells", array_literal(cells, "regclass")),
      fmt::arg("names", array_literal(entity.cohort_names, "text")),
      fmt::arg("cohort_of_key", by_cohort_sql(entity.cohorts, "key", number)),
      fmt::arg("lock_of_cell", guard_lock_sql("cell")), fmt::arg("last_cohort", cells.size() - 1),
      fmt::arg("epoch_of_word", fmt::format("word >> {} & {}", kModeBits, kEpochMask)),
      fmt::arg("entity", quote_literal(entity.name)), fmt::arg("home", quote_literal(entity.home)),
      fmt::arg("owner", quote_literal(entity.owner)));
}

std::string guard_table_functions_sql(const std::string& guard, const GuardedEntity& entity,
                                      const GuardedTable& table) {
  auto key_of = [&](std::string_view row) {
    return fmt::format("({}.{}::pg_catalog.text COLLATE pg_catalog.\"C\")", row,
                       quote_identifier(table.key_column));
  };
  return fmt::format(fmt::runtime(kTableSql), fmt::arg("guard", guard), fmt::arg("new_key", key_of("NEW")),
                     fmt::arg("old_key", key_of("OLD")),
                     fmt::arg("insert", guard_function(guard, table.name, "insert")),
                     fmt::arg("update", guard_function(guard, table.name, "update")),
                     fmt::arg("delete", guard_function(guard, table.name, "delete")),
                     fmt::arg("mode_of_new", mode_sql(guard, entity, key_of("NEW"))),
                     fmt::arg("mode_of_old", mode_sql(guard, entity, key_of("OLD"))));
}

std::string guard_function(std::string_view guard, const TableName& table, std::string_view operation) {
  auto place = fmt::format("{}/{}", guard, to_string(table));
  return fmt::format("oxbow.{}_{}", identifier_for("guard_", place, kGuardNameMax), operation);
}

std::string guard_trigger_sql(const std::string& guard, const TableName& table, std::string_view operation,
                              const std::string& part) {
  bool is_truncate = operation == "truncate";
  return fmt::format(
      "CREATE OR REPLACE TRIGGER {} BEFORE {} ON {} FOR EACH {} EXECUTE FUNCTION {}()",
      quote_identifier(guard_trigger(guard, operation)), operation, part, is_truncate ? "STATEMENT" : "ROW",
      is_truncate ? fmt::format("oxbow.{}_truncate", guard) : guard_function(guard, table, operation));
}

}  // namespace oxbow::postgres
