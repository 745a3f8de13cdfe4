#include "core/spec/grammar.hpp"

#include <array>

#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

using Kind = Shape::Kind;

// ---- scalars ----

template <auto parse>
bool parses(std::string_view text) {
  return parse(text).has_value();
}
bool is_any(std::string_view) {
  return true;
}
bool is_filled(std::string_view text) {
  return !text.empty();
}

constexpr ScalarShape kText = {
    .expected = "a text", .accepts = is_any, .may_be_number = true, .may_be_boolean = true};
constexpr ScalarShape kFilled = {.expected = "a text",
                                 .accepts = is_filled,
                                 .pattern = "^.+",
                                 .may_be_number = true,
                                 .may_be_boolean = true};
constexpr ScalarShape kSql = {
    .expected = "an SQL expression", .accepts = is_filled, .pattern = "^.+", .may_be_number = true};
constexpr ScalarShape kColumn = {
    .expected = "the name of a column", .accepts = is_filled, .pattern = "^.+", .may_be_number = true};
constexpr ScalarShape kName = {.expected = "a name: a letter, then at most 39 letters, digits, - or _",
                               .accepts = is_plain_name,
                               .pattern = "^[A-Za-z][A-Za-z0-9_-]{0,39}$"};
constexpr ScalarShape kTable = {
    .expected = "a table such as public.payments, or \"we ird\".\"ta.ble\" in double quotes",
    .accepts = parses<parse_table_name>,
    .pattern = R"re(^([^."]+|"([^"]|"")+")([.]([^."]+|"([^"]|"")+"))?$)re"};
constexpr ScalarShape kJsonPath = {
    .expected = "a path of names joined by dots, such as address.\"post code\"",
    .accepts = parses<parse_dotted>,
    .pattern = R"re(^([^."]+|"([^"]|"")+")([.]([^."]+|"([^"]|"")+"))*$)re",
    .may_be_number = true};
constexpr ScalarShape kDuration = {.expected = "a duration such as 500ms, 15m, 2h or 90d",
                                   .accepts = parses<parse_duration>,
                                   .pattern = "^[0-9]+(ms|s|m|h|d)$"};
constexpr ScalarShape kSize = {.expected = "a size such as 50MB or 10GB",
                               .accepts = parses<parse_size>,
                               .pattern = "^[0-9]+(B|kB|KB|MB|GB|TB)$"};
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

bool is_rate(std::string_view text) {
  return parse_count(text).value_or(0) > 0;
}
bool is_worker_count(std::string_view text) {
  auto count = parse_count(text).value_or(0);
  return count >= 1 && count <= 64;
}
bool is_factor(std::string_view text) {
  auto digits = text.find_first_not_of("0123456789.");
  auto dot = text.find('.');
  return digits == std::string_view::npos && text.find('.', dot + 1) == std::string_view::npos && dot != 0 &&
         dot + 1 != text.size() && text.find_first_of("123456789") != std::string_view::npos;
}
constexpr ScalarShape kCount = {.expected = "a whole number",
                                .accepts = parses<parse_count>,
                                .pattern = "^[0-9]+$",
                                .may_be_number = true};
constexpr ScalarShape kRate = {.expected = "a whole number above 0; leave it out for no limit",
                               .accepts = is_rate,
                               .pattern = "^0*[1-9][0-9]*$",
                               .may_be_number = true};
constexpr ScalarShape kWorkers = {.expected = "a whole number from 1 to 64",
                                  .accepts = is_worker_count,
                                  .pattern = "^0*([1-9]|[1-5][0-9]|6[0-4])$",
                                  .may_be_number = true};
constexpr ScalarShape kFactor = {.expected = "a factor above 0, such as 100",
                                 .accepts = is_factor,
                                 .pattern = "^[0-9]+([.][0-9]+)?$",
                                 .may_be_number = true};

bool is_database(std::string_view text) {
  return text.starts_with("postgresql://") || text.starts_with("postgres://") || text.starts_with("${") ||
         text.find('=') != std::string_view::npos;
}
bool is_service(std::string_view text) {
  auto scheme = text.find("://");
  bool http = text.starts_with("http://") || text.starts_with("https://");
  return http && text.size() > scheme + 3 && text.find(' ') == std::string_view::npos;
}
constexpr ScalarShape kDatabase = {
    .expected = "a PostgreSQL address such as postgresql://oxbow:${NAME_OF_A_VARIABLE}@host/database",
    .accepts = is_database,
    .pattern = "^(postgres(ql)?://.*|[$][{].*|.*=.*)$"};
constexpr ScalarShape kService = {.expected = "an HTTP address such as http://127.0.0.1:8081",
                                  .accepts = is_service,
                                  .pattern = "^https?://[^ ]+$"};
constexpr ScalarShape kRoute = {.expected = "a method and a path, such as GET /payments/{payment_id}",
                                .accepts = parses<parse_route>,
                                .pattern = "^(GET|HEAD|POST|PUT|PATCH|DELETE) /[^ ]*$"};

bool is_request_part(std::string_view text) {
  auto dot = text.find('.');
  auto part = text.substr(0, dot);
  return dot != std::string_view::npos && dot + 1 < text.size() &&
         (part == "path" || part == "query" || part == "header" || part == "body");
}
bool is_step(std::string_view text) {
  auto arrow = text.find(" -> ");
  return arrow != std::string_view::npos && arrow > 0 && arrow + 4 < text.size();
}
constexpr ScalarShape kRequestPart = {
    .expected = "a part of the request: path.x, query.x, header.x or body.x",
    .accepts = is_request_part,
    .pattern = "^(path|query|header|body)[.].+$"};
constexpr ScalarShape kStep = {
    .expected = "a step such as \"refunded -> captured\"", .accepts = is_step, .pattern = "^.+ -> .+$"};

constexpr std::array<std::string_view, 1> kTrueWords = {"true"};
constexpr std::array<std::string_view, 1> kFullRowWords = {"full-row"};
constexpr std::array<std::string_view, 2> kOnDdlWords = {"pause", "continue"};
constexpr std::array<std::string_view, 4> kClassWords = {"latency", "consistency", "historical", "bulk"};
constexpr std::array<std::string_view, 4> kStateWords = {"mirrored", "new-write", "new-read",
                                                         "fully-cutover"};
constexpr std::array<std::string_view, 1> kConsistencyWords = {"new-write"};
constexpr ScalarShape kTrue = {.expected = "true", .words = kTrueWords, .may_be_boolean = true};
constexpr ScalarShape kFullRow = {.expected = "full-row", .words = kFullRowWords};
constexpr ScalarShape kOnDdl = {.expected = "pause or continue", .words = kOnDdlWords};
constexpr ScalarShape kClass = {.expected = "a read class", .words = kClassWords};
constexpr ScalarShape kState = {.expected = "the state in which these reads move", .words = kStateWords};
constexpr ScalarShape kConsistencyState = {
    .expected =
        "new-write, the state in which the authority moves: before it the new side may be behind, after it "
        "the legacy side",
    .words = kConsistencyWords};

// ---- shapes ----

constexpr Shape one(const ScalarShape& scalar, std::string_view name) {
  return {.kind = Kind::scalar, .name = name, .expected = scalar.expected, .scalar = &scalar};
}
constexpr Shape object(std::string_view name, std::string_view expected, std::span<const KeyShape> keys,
                       std::string_view tag = {}) {
  return {.kind = Kind::object, .name = name, .expected = expected, .keys = keys, .tag = tag};
}
constexpr Shape list_of(const Shape& element, std::string_view name, std::string_view expected) {
  return {.kind = Kind::list, .name = name, .expected = expected, .element = &element};
}
constexpr Shape map_of(const ScalarShape& key, const Shape& element, std::string_view noun,
                       std::string_view name, std::string_view expected) {
  return {.kind = Kind::map,
          .name = name,
          .expected = expected,
          .element = &element,
          .element_noun = noun,
          .map_key = &key};
}
constexpr Shape any_of(std::span<const Shape* const> forms, std::string_view name,
                       std::string_view expected) {
  return {.kind = Kind::forms, .name = name, .expected = expected, .forms = forms};
}

constexpr bool kRequired = true;
constexpr bool kOptional = false;

constexpr Shape kTextValue = one(kText, "text");
constexpr Shape kFilledValue = one(kFilled, "filled_text");
constexpr Shape kSqlValue = one(kSql, "sql");
constexpr Shape kColumnValue = one(kColumn, "column");
constexpr Shape kNameValue = one(kName, "name");
constexpr Shape kTableValue = one(kTable, "table_name");
constexpr Shape kJsonPathValue = one(kJsonPath, "json_path");
constexpr Shape kDurationValue = one(kDuration, "duration");
constexpr Shape kSizeValue = one(kSize, "size");
constexpr Shape kDateValue = one(kDate, "date");
constexpr Shape kPercentValue = one(kPercent, "percentage");
constexpr Shape kSliceValue = one(kSlice, "slice");
constexpr Shape kCountValue = one(kCount, "count");
constexpr Shape kRateValue = one(kRate, "rate");
constexpr Shape kWorkersValue = one(kWorkers, "workers");
constexpr Shape kFactorValue = one(kFactor, "factor");
constexpr Shape kDatabaseValue = one(kDatabase, "database");
constexpr Shape kServiceValue = one(kService, "service");
constexpr Shape kRouteValue = one(kRoute, "route_text");
constexpr Shape kRequestPartValue = one(kRequestPart, "request_part");
constexpr Shape kStepValue = one(kStep, "step");
constexpr Shape kTrueValue = one(kTrue, "true");
constexpr Shape kFullRowValue = one(kFullRow, "full_row");
constexpr Shape kOnDdlValue = one(kOnDdl, "on_ddl");
constexpr Shape kClassValue = one(kClass, "read_class");
constexpr Shape kStateValue = one(kState, "read_state");
constexpr Shape kConsistencyStateValue = one(kConsistencyState, "consistency_state");

constexpr Shape kColumnList = list_of(kColumnValue, "column_list", "a list of columns such as [first, last]");
constexpr Shape kTextList = list_of(kFilledValue, "text_list", "a list such as [\"4711\", \"4712\"]");
constexpr Shape kTableList = list_of(kTableValue, "table_list", "a list of tables");

// ---- columns ----

constexpr KeyShape kBackward = {
    "backward", &kSqlValue, kOptional,
    "SQL over the new table's columns that gives the legacy column back, where no inverse "
    "can be derived."};
constexpr KeyShape kWhy = {"why", &kFilledValue, kOptional, "The reason, for those who come later."};
constexpr KeyShape kTo = {"to", &kColumnValue, kOptional, "The new column; left out: the same name."};

constexpr Shape kLabelMap = map_of(kText, kTextValue, "value", "label_map",
                                   "a map from legacy values to new values such as {A: authorised}");
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

constexpr Shape kRequestParts =
    list_of(kRequestPartValue, "request_parts", "a list such as [body.customer_id, header.Request-Id]");
constexpr std::array kReadRouteKeys = {
    KeyShape{"read", &kClassValue, kRequired, "The read class of this path."},
    KeyShape{"route", &kRouteValue, kRequired, "Method and path, with {names} for its parts."},
    KeyShape{"switch_group", &kNameValue, kOptional, "Read paths of one group move in one step."}};
constexpr std::array kWriteRouteKeys = {
    KeyShape{"write", &kTrueValue, kRequired, "This path writes."},
    KeyShape{"route", &kRouteValue, kRequired, "Method and path, with {names} for its parts."},
    KeyShape{"operation_key", &kRequestParts, kRequired,
             "What identifies one business operation across retries and sides."}};
constexpr Shape kReadRoute = object("read_route", "a route that reads", kReadRouteKeys, "read");
constexpr Shape kWriteRoute = object("write_route", "a route that writes", kWriteRouteKeys, "write");
constexpr std::array<const Shape*, 2> kRouteForms = {&kReadRoute, &kWriteRoute};
constexpr Shape kRouteRule =
    any_of(kRouteForms, "route", "a route such as {route: GET /payments/{payment_id}, read: latency}");
constexpr Shape kRoutes = list_of(kRouteRule, "routes", "a list of routes");

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
    KeyShape{"service", &kServiceValue, kOptional, "Where the HTTP service listens."}};
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
    KeyShape{"lag_max", &kDurationValue, kOptional, "The new side is at most this far behind."}};
constexpr Shape kGate = object("gate", "conditions such as {divergence_max: 0, lag_max: 500ms}", kGateKeys);
constexpr std::array kGatesKeys = {
    KeyShape{"mirrored", &kGate, kOptional, "What must hold to enter mirrored."},
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
    KeyShape{"deletion_owner", &kFilledValue, kRequired, "Who removes it."}};
constexpr Shape kSunset =
    object("sunset", "a sunset such as {remove_by: 2027-04-01, deletion_owner: team-platform}", kSunsetKeys);

constexpr std::array kSpecKeys = {
    KeyShape{"migration", &kNameValue, kRequired,
             "The migration's name; also names what it creates in both databases."},
    KeyShape{"owners", &kOwners, kRequired, "Who answers for what."},
    KeyShape{"systems", &kSystems, kRequired, "The two systems."},
    KeyShape{"entities", &kEntities, kRequired, "The business types that move."},
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
