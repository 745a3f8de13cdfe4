#include "core/spec/grammar.hpp"

#include <array>

#include "core/spec/grammar_parts.hpp"

namespace oxbow {
namespace {

using namespace grammar;

// ---- scalars ----

constexpr ScalarShape kSql = {
    .expected = "an SQL expression", .accepts = is_filled, .pattern = "^.+", .may_be_number = true};
constexpr ScalarShape kColumn = {
    .expected = "the name of a column", .accepts = is_filled, .pattern = "^.+", .may_be_number = true};
constexpr ScalarShape kJsonPath = {
    .expected = "a path of names joined by dots, such as address.\"post code\"",
    .accepts = parses<parse_dotted>,
    .pattern = R"re(^([^."]+|"([^"]|"")+")([.]([^."]+|"([^"]|"")+"))*$)re",
    .may_be_number = true};
constexpr ScalarShape kDate = {.expected = "a date such as 2027-03-01",
                               .accepts = parses<parse_calendar_date>,
                               .pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"};
constexpr ScalarShape kPercent = {.expected = "a percentage such as 99.9%",
                                  .accepts = parses<parse_percent>,
                                  .pattern = "^[0-9]{1,3}([.][0-9]{1,9})?%?$",
                                  .may_be_number = true};
constexpr ScalarShape kSlice = {.expected = "a percentage above 0 in steps of 0.01, such as 25 or 0.5",
                                .accepts = parses<parse_buckets>,
                                .pattern = "^[0-9]{1,3}([.][0-9]{1,2})?%?$",
                                .may_be_number = true};

bool is_worker_count(std::string_view text) {
  auto count = parse_count(text).value_or(0);
  return count >= 1 && count <= 64;
}
constexpr ScalarShape kCount = {.expected = "a whole number",
                                .accepts = parses<parse_count>,
                                .pattern = "^[0-9]+$",
                                .may_be_number = true};
constexpr ScalarShape kWorkers = {.expected = "a whole number from 1 to 64",
                                  .accepts = is_worker_count,
                                  .pattern = "^0*([1-9]|[1-5][0-9]|6[0-4])$",
                                  .may_be_number = true};

bool is_database(std::string_view text) {
  return text.starts_with("postgresql://") || text.starts_with("postgres://") || text.starts_with("${") ||
         text.find('=') != std::string_view::npos;
}
constexpr ScalarShape kDatabase = {
    .expected = "a PostgreSQL address such as postgresql://oxbow:${NAME_OF_A_VARIABLE}@host/database",
    .accepts = is_database,
    .pattern = "^(postgres(ql)?://.*|[$][{].*|.*=.*)$"};

bool is_step(std::string_view text) {
  auto arrow = text.find(" -> ");
  return arrow != std::string_view::npos && arrow > 0 && arrow + 4 < text.size();
}
constexpr ScalarShape kStep = {
    .expected = "a step such as \"refunded -> captured\"", .accepts = is_step, .pattern = "^.+ -> .+$"};

constexpr std::array<std::string_view, 1> kFullRowWords = {"full-row"};
constexpr std::array<std::string_view, 2> kOnDdlWords = {"pause", "continue"};
constexpr std::array<std::string_view, 4> kStateWords = {"mirrored", "new-write", "new-read",
                                                         "fully-cutover"};
constexpr std::array<std::string_view, 1> kConsistencyWords = {"new-write"};
constexpr ScalarShape kFullRow = {.expected = "full-row", .words = kFullRowWords};
constexpr ScalarShape kOnDdl = {.expected = "pause or continue", .words = kOnDdlWords};
constexpr ScalarShape kState = {.expected = "the state in which these reads move", .words = kStateWords};
constexpr ScalarShape kConsistencyState = {
    .expected =
        "new-write, the state in which the authority moves: before it the new side may be behind, after it "
        "the legacy side",
    .words = kConsistencyWords};

// ---- shapes ----

constexpr Shape kSqlValue = one(kSql, "sql");
constexpr Shape kColumnValue = one(kColumn, "column");
constexpr Shape kJsonPathValue = one(kJsonPath, "json_path");
constexpr Shape kDateValue = one(kDate, "date");
constexpr Shape kPercentValue = one(kPercent, "percentage");
constexpr Shape kSliceValue = one(kSlice, "slice");
constexpr Shape kCountValue = one(kCount, "count");
constexpr Shape kWorkersValue = one(kWorkers, "workers");
constexpr Shape kDatabaseValue = one(kDatabase, "database");
constexpr Shape kStepValue = one(kStep, "step");
constexpr Shape kFullRowValue = one(kFullRow, "full_row");
constexpr Shape kOnDdlValue = one(kOnDdl, "on_ddl");
constexpr Shape kStateValue = one(kState, "read_state");
constexpr Shape kConsistencyStateValue = one(kConsistencyState, "consistency_state");

constexpr Shape kColumnList = list_of(kColumnValue, "column_list", "a list of columns such as [first, last]");
constexpr Shape kTableList = list_of(kTableValue, "table_list", "a list of tables");

// ---- columns ----

constexpr KeyShape kBackward = {
    "backward", &kSqlValue, kOptional,
    "SQL over the new table's columns that gives the legacy column back, where no inverse "
    "can be derived."};
constexpr KeyShape kTo = {"to", &kColumnValue, kOptional, "The new column; left out: the same name."};

constexpr Shape kPathMap = map_of(kColumn, kJsonPathValue, "new column", "path_map",
                                  "a map from new columns to paths such as {city: address.city}");

constexpr std::array kRenameKeys = {KeyShape{"to", &kColumnValue, kRequired, "The new column."}, kBackward,
                                    kWhy};
constexpr std::array kCastKeys = {
    KeyShape{"cast", &kFilledValue, kRequired, "The new type; every value must fit it exactly."}, kTo,
    kBackward, kWhy};
constexpr std::array kScaleKeys = {KeyShape{"scale", &kFactorValue, kRequired,
                                            "The new value is the legacy value times this; never rounded."},
                                   kTo, kBackward, kWhy};
constexpr std::array kMapKeys = {
    KeyShape{"map", &kLabelMap, kRequired,
             "New value of each legacy value; a value not listed is quarantined."},
    kTo, kBackward, kWhy};
constexpr std::array kSplitKeys = {
    KeyShape{"split", &kFilledValue, kRequired, "Cut the text at this separator."},
    KeyShape{"to", &kColumnList, kRequired, "The new columns, one per part; the last takes what is left."},
    kBackward, kWhy};
constexpr std::array kJsonKeys = {
    KeyShape{"json", &kPathMap, kRequired, "New columns taken out of a json document, each by its path."},
    kBackward, kWhy};
constexpr std::array kDropKeys = {KeyShape{"drop", &kTrueValue, kRequired, "The column is not carried."},
                                  KeyShape{"why", &kFilledValue, kRequired, "Why nobody needs it any more."},
                                  kBackward};

constexpr Shape kRename = object("rename", "a renamed column", kRenameKeys);
constexpr Shape kCast = object("cast", "a column of another type", kCastKeys, "cast");
constexpr Shape kScale = object("scale", "a scaled column", kScaleKeys, "scale");
constexpr Shape kMap = object("map", "a column with mapped values", kMapKeys, "map");
constexpr Shape kSplit = object("split", "a column cut into several", kSplitKeys, "split");
constexpr Shape kJson = object("json", "a json column taken apart", kJsonKeys, "json");
constexpr Shape kDrop = object("drop", "a column left out", kDropKeys, "drop");
constexpr std::array<const Shape*, 8> kColumnForms = {&kColumnValue, &kRename, &kCast, &kScale,
                                                      &kMap,         &kSplit,  &kJson, &kDrop};
constexpr Shape kColumnRule =
    any_of(kColumnForms, "column_rule", "a new column such as id, or a rule such as {to: id, cast: bigint}");

constexpr std::array kConstantKeys = {
    KeyShape{"constant", &kTextValue, kRequired, "Every new row holds this value."}, kWhy};
constexpr std::array kDefaultKeys = {
    KeyShape{"default", &kTrueValue, kRequired, "The new database fills the column by its own default."},
    kWhy};
constexpr std::array kConcatKeys = {
    KeyShape{"concat", &kColumnList, kRequired, "The legacy columns, joined in this order."},
    KeyShape{"with", &kTextValue, kOptional, "What stands between them; left out: nothing."}, kWhy};
constexpr std::array kSqlKeys = {
    KeyShape{"sql", &kSqlValue, kRequired, "SQL over legacy columns, evaluated by the new database."},
    KeyShape{"from", &kColumnList, kOptional, "The legacy columns that the expression reads."}, kBackward,
    kWhy};

constexpr Shape kConstant = object("constant", "a constant", kConstantKeys, "constant");
constexpr Shape kDefault = object("default", "a default", kDefaultKeys, "default");
constexpr Shape kConcat = object("concat", "joined columns", kConcatKeys, "concat");
constexpr Shape kSqlRule = object("sql_rule", "an SQL expression", kSqlKeys, "sql");
constexpr std::array<const Shape*, 4> kAddForms = {&kConstant, &kDefault, &kConcat, &kSqlRule};
constexpr Shape kAddRule = any_of(kAddForms, "add_rule", "a rule such as {constant: EUR} or {default: true}");

// ---- tables ----

constexpr std::array kMayDifferKeys = {
    KeyShape{"column", &kColumnValue, kRequired, "A new column."},
    KeyShape{"until", &kDateValue, kRequired, "From this day on a difference counts again."},
    KeyShape{"why", &kFilledValue, kRequired, "Why the two sides may differ."}};
constexpr Shape kMayDiffer =
    object("may_differ", "a column that may differ, such as {column: c, until: 2027-03-01, why: ...}",
           kMayDifferKeys);
constexpr Shape kMayDifferList = list_of(kMayDiffer, "may_differ_list", "a list of columns that may differ");

constexpr Shape kColumns =
    map_of(kColumn, kColumnRule, "column", "columns", "a map from legacy columns to what becomes of them");
constexpr Shape kAdd =
    map_of(kColumn, kAddRule, "column", "add", "a map from new columns to where their values come from");
constexpr std::array<const Shape*, 2> kIdentityForms = {&kFullRowValue, &kColumnList};
constexpr Shape kIdentity = any_of(kIdentityForms, "identity", "a list of columns, or full-row");

constexpr std::array kTableKeys = {
    KeyShape{"legacy", &kTableValue, kRequired, "The legacy table."},
    KeyShape{"new", &kTableValue, kRequired, "The new table that its rows become."},
    KeyShape{"columns", &kColumns, kOptional,
             "What becomes of legacy columns; those not named keep their name."},
    KeyShape{"add", &kAdd, kOptional, "New columns that no single legacy column becomes."},
    KeyShape{"identity", &kIdentity, kOptional,
             "What tells rows apart; left out: the primary key, else a unique index without nulls."},
    KeyShape{"may_differ", &kMayDifferList, kOptional,
             "Columns in which the two sides may differ for a while."},
    KeyShape{"new_only", &kSqlValue, kOptional,
             "SQL that is true for new rows which legacy cannot represent."}};
constexpr Shape kTableRule =
    object("table", "a table such as {legacy: public.payments, new: ledger.payment}", kTableKeys);
constexpr Shape kTables = list_of(kTableRule, "tables", "a list of tables");

// ---- the rest of an entity ----

constexpr KeyShape kCohortName = {"name", &kNameValue, kRequired, "The cohort's name."};
constexpr std::array kKeysCohortKeys = {kCohortName,
                                        KeyShape{"keys", &kTextList, kRequired, "Exactly these keys."}};
constexpr std::array kSliceCohortKeys = {
    kCohortName, KeyShape{"percent", &kSliceValue, kRequired, "This share of all keys, by their hash."}};
constexpr std::array kRestCohortKeys = {kCohortName};
constexpr Shape kKeysCohort = object("keys_cohort", "a cohort of named keys", kKeysCohortKeys, "keys");
constexpr Shape kSliceCohort = object("slice_cohort", "a cohort by share", kSliceCohortKeys, "percent");
constexpr Shape kRestCohort = object("rest_cohort", "the cohort of all other keys", kRestCohortKeys);
constexpr std::array<const Shape*, 3> kCohortForms = {&kKeysCohort, &kSliceCohort, &kRestCohort};
constexpr Shape kCohort =
    any_of(kCohortForms, "cohort", "a cohort such as {name: pilot, keys: [\"4711\"]} or {name: rest}");
constexpr Shape kCohorts = list_of(kCohort, "cohorts", "a list of cohorts");

constexpr std::array kReadsKeys = {
    KeyShape{"consistency", &kConsistencyStateValue, kOptional,
             "Reads that must see the caller's last write."},
    KeyShape{"latency", &kStateValue, kOptional, "Reads that a user waits for."},
    KeyShape{"bulk", &kStateValue, kOptional, "Lists, exports and batches."},
    KeyShape{"historical", &kStateValue, kOptional, "Reads of what no longer changes."}};
constexpr Shape kReads =
    object("reads", "a map from read classes to states such as {latency: new-read}", kReadsKeys);

constexpr Shape kSteps = list_of(kStepValue, "steps", "a list such as [\"refunded -> captured\"]");
constexpr std::array kTransitionKeys = {
    KeyShape{"column", &kColumnValue, kRequired, "The new column that holds the state."},
    KeyShape{"never", &kSteps, kRequired, "Steps that must never happen."}};
constexpr Shape kTransition = object(
    "transition", "a rule such as {column: status, never: [\"refunded -> captured\"]}", kTransitionKeys);
constexpr std::array kInvariantKeys = {
    KeyShape{"name", &kNameValue, kRequired, "The invariant's name."},
    KeyShape{"transition", &kTransition, kRequired, "A rule about how one column may change."}};
constexpr Shape kInvariant = object("invariant", "an invariant", kInvariantKeys);
constexpr Shape kInvariants = list_of(kInvariant, "invariants", "a list of invariants");

constexpr std::array kEntityKeys = {
    KeyShape{"key", &kColumnValue, kRequired,
             "The legacy column, in every table, that says which entity a row belongs to."},
    KeyShape{"tables", &kTables, kRequired, "The tables that hold it."},
    KeyShape{"routes", &kRoutes, kOptional, "The HTTP routes that read and write it."},
    KeyShape{"cohorts", &kCohorts, kOptional,
             "The parts that move one after the other; left out: one cohort `all`."},
    KeyShape{"reads", &kReads, kOptional, "The state in which each class of reads moves to the new side."},
    KeyShape{"invariants", &kInvariants, kOptional, "What must hold on either side at any time."}};
constexpr Shape kEntity = object("entity", "an entity with a key and tables", kEntityKeys);
constexpr Shape kEntities = map_of(kName, kEntity, "entity", "entities", "a map from names to entities");

// ---- the top ----

constexpr std::array kOwnersKeys = {
    KeyShape{"legacy", &kFilledValue, kRequired, "Who answers for the legacy system."},
    KeyShape{"new", &kFilledValue, kRequired, "Who answers for the new system."},
    KeyShape{"coexistence", &kFilledValue, kRequired, "Who answers for the time between."}};
constexpr Shape kOwners = object("owners", "three owners: legacy, new and coexistence", kOwnersKeys);

constexpr std::array kSystemKeys = {
    KeyShape{"database", &kDatabaseValue, kRequired,
             "How to reach the database; ${NAME} is taken from the environment."},
    KeyShape{"service", &kServices, kOptional, "Where the HTTP service listens: an address, or several."},
    KeyShape{"health", &kHealthPath, kOptional,
             "The path that says whether the service is well; left out: a connection is enough."},
    KeyShape{"ca", &kFilledValue, kOptional,
             "The file with the authorities that certificates of https services come from, in PEM; left out: "
             "those that the machine trusts."}};
constexpr Shape kSystem =
    object("system", "a system such as {database: \"postgresql:///billing\"}", kSystemKeys);
constexpr std::array kSystemsKeys = {
    KeyShape{"legacy", &kSystem, kRequired, "The system that is being left."},
    KeyShape{"new", &kSystem, kRequired, "The system that takes over."}};
constexpr Shape kSystems = object("systems", "two systems: legacy and new", kSystemsKeys);

constexpr std::array kGateKeys = {
    KeyShape{"proof_age_max", &kDurationValue, kOptional,
             "The last proof that both sides are equal is at most this old."},
    KeyShape{"divergence_max", &kCountValue, kOptional, "At most so many divergences are open."},
    KeyShape{"coverage_min", &kPercentValue, kOptional, "At least this share was compared."},
    KeyShape{"lag_max", &kDurationValue, kOptional, "The other side is at most this far behind."},
    KeyShape{"lag_bytes_max", &kSizeValue, kOptional, "At most so much log waits to be applied there."},
    KeyShape{"in_state_min", &kDurationValue, kOptional, "It has been in the state before for so long."}};
constexpr std::array kEntryGateKeys = {kGateKeys[3], kGateKeys[4], kGateKeys[5]};
constexpr Shape kEntryGate = object(
    "entry-gate", "conditions such as {lag_max: 500ms}; before it nothing was compared", kEntryGateKeys);
constexpr Shape kGate = object("gate", "conditions such as {divergence_max: 0, lag_max: 500ms}", kGateKeys);
constexpr std::array kGatesKeys = {
    KeyShape{"mirrored", &kEntryGate, kOptional, "What must hold to enter mirrored."},
    KeyShape{"new-write", &kGate, kOptional, "What must hold to enter new-write."},
    KeyShape{"new-read", &kGate, kOptional, "What must hold to enter new-read."},
    KeyShape{"fully-cutover", &kGate, kOptional, "What must hold to enter fully-cutover."}};
constexpr Shape kGates = object("gates", "a map from states to conditions", kGatesKeys);

constexpr std::array kLimitsKeys = {
    KeyShape{"workers", &kWorkersValue, kOptional, "Ranges that are copied at the same time; 2 if left out."},
    KeyShape{"rows_per_second", &kRateValue, kOptional,
             "The most rows that the backfill copies in a second."},
    KeyShape{"bytes_per_second", &kSizeValue, kOptional,
             "The most bytes that the backfill copies in a second."},
    KeyShape{"retained_wal", &kSizeValue, kOptional,
             "The most log that the legacy server may keep for us; 10GB if left out."},
    KeyShape{"lag", &kDurationValue, kOptional,
             "The backfill waits while changes are applied later than this; 30s if left out."},
    KeyShape{"active_sessions", &kRateValue, kOptional,
             "The backfill waits while more sessions of others than this are at work on the legacy server."},
    KeyShape{"handover_prepare", &kDurationValue, kOptional,
             "How long a handover waits for transactions that write when it begins; 60s if left out."},
    KeyShape{
        "write_pause", &kDurationValue, kOptional,
        "The longest that a handover lets writes of its cohort wait before it is given up; 1s if left out."},
    KeyShape{"on_ddl", &kOnDdlValue, kOptional,
             "What the stream does when a schema changes; pause if left out."}};
constexpr Shape kLimits = object("limits", "limits such as {workers: 4, retained_wal: 10GB}", kLimitsKeys);

constexpr std::array kRollbackKeys = {
    KeyShape{"deadline", &kDateValue, kOptional, "Until this day the way back is kept open."},
    KeyShape{"rehearsed_within", &kDurationValue, kOptional,
             "A rollback was rehearsed at most this long ago."}};
constexpr Shape kRollback =
    object("rollback", "a rollback such as {deadline: 2027-02-01, rehearsed_within: 14d}", kRollbackKeys);

constexpr std::array kSunsetKeys = {
    KeyShape{"remove_by", &kDateValue, kRequired, "The day by which the legacy system is gone."},
    KeyShape{"deletion_owner", &kFilledValue, kRequired, "Who removes it."},
    KeyShape{"quiet_for", &kDurationValue, kOptional,
             "So long nobody may have read legacy tables before they are retired; 7d if left out."}};
constexpr Shape kSunset =
    object("sunset", "a sunset such as {remove_by: 2027-04-01, deletion_owner: team-platform}", kSunsetKeys);

constexpr std::array kSpecKeys = {
    KeyShape{"migration", &kNameValue, kRequired,
             "The migration's name; also names what it creates in both databases."},
    KeyShape{"owners", &kOwners, kRequired, "Who answers for what."},
    KeyShape{"systems", &kSystems, kRequired, "The two systems."},
    KeyShape{"entities", &kEntities, kRequired, "The business types that move."},
    KeyShape{"gateway", &kGateway, kOptional, "The HTTP gateway in front of both services."},
    KeyShape{"exclude", &kTableList, kOptional, "Legacy tables left out on purpose."},
    KeyShape{"limits", &kLimits, kOptional, "How much load the migration may cause."},
    KeyShape{"gates", &kGates, kOptional, "What must be proven before a state is entered."},
    KeyShape{"rollback", &kRollback, kOptional, "How long and how surely the way back stays open."},
    KeyShape{"sunset", &kSunset, kOptional, "The end of the legacy system; needed before new-write."}};
constexpr Shape kSpec = object("spec", "a spec with migration, owners, systems and entities", kSpecKeys);

}  // namespace

const Shape& spec_shape() {
  return kSpec;
}

}  // namespace oxbow
