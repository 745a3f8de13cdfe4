#include <fmt/format.h>

#include "adapters/postgres/connection.hpp"
#include "adapters/postgres/guard_sql.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/postgres.hpp"
#include "adapters/postgres/schema.hpp"
#include "base/text.hpp"
#include "model/course.hpp"

namespace oxbow::postgres {
namespace {

// $1 names slot and publication of the stream that is read here, $2 its event trigger; $3 and $4 the watching
// triggers of the stream that is written here, $5 begins its origins.
constexpr std::string_view kStreamsSql = R"sql(
  SELECT 'replication slot ' || slot_name FROM pg_replication_slots
  WHERE slot_name = $1 AND database = current_database()
  UNION ALL
  SELECT 'publication ' || pubname FROM pg_publication WHERE pubname = $1
  UNION ALL
  SELECT 'event trigger ' || evtname FROM pg_event_trigger WHERE evtname = $2
  UNION ALL
  (SELECT format('trigger %s on %s.%s', t.tgname, n.nspname, c.relname)
   FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE t.tgname IN ($3, $4) AND t.tgparentid = 0 ORDER BY n.nspname, c.relname, t.tgname)
  UNION ALL
  (SELECT 'replication origin ' || roname FROM pg_replication_origin WHERE starts_with(roname, $5) ORDER BY 1)
)sql";

// $1 begins the names of the triggers, $2 those of functions and sequences.
constexpr std::string_view kGuardsSql = R"sql(
  (SELECT DISTINCT format('guard of %s.%s', n.nspname, c.relname)
   FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE starts_with(t.tgname, $1) AND t.tgparentid = 0 ORDER BY 1)
  UNION ALL
  (SELECT 'sequence ' || c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = 'oxbow' AND c.relkind = 'S' AND starts_with(c.relname, $2) ORDER BY 1)
  UNION ALL
  (SELECT 'function ' || p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE n.nspname = 'oxbow'
     AND (starts_with(p.proname, $2) OR strpos(p.prosrc, 'oxbow.' || $2 || 'judge(') > 0)
   ORDER BY 1)
)sql";

// $1 and $2 are the two streams.
constexpr std::string_view kSchemaSql =
    "SELECT format('schema oxbow, with what it keeps for stream %s as its %s', name, role) "
    "FROM oxbow.migration WHERE name IN ($1, $2) ORDER BY name, role";

constexpr std::string_view kIdentitiesSql =
    "SELECT format('another replica identity of %s.%s than before', table_schema, table_name) "
    "FROM oxbow.identity WHERE migration IN ($1, $2) ORDER BY 1";

void append(std::vector<std::string>& phrases, const Rows& rows) {
  for (int row = 0; row < rows.size(); ++row) phrases.push_back(rows.text(row, 0));
}

}  // namespace

Task<std::vector<std::string>> list_traces(std::string url, std::string migration, Side side,
                                           std::vector<std::string> entities) {
  auto there = stream_name(migration, Course::there), back = stream_name(migration, Course::back);
  const auto& read_here = side == Side::legacy ? there : back;
  const auto& written_here = side == Side::legacy ? back : there;
  auto connection = CO_TRY(co_await Connection::open(
      {.url = std::move(url), .application_name = application_name(migration, "traces")}));
  std::vector<std::string> phrases;
  append(phrases, CO_TRY(co_await connection->exec_params(std::string(kStreamsSql),
                                                          {{slot_name(read_here)},
                                                           {identity_trigger_name(read_here)},
                                                           {watch_name(written_here)},
                                                           {watch_truncate_name(written_here)},
                                                           {origin_prefix(written_here)}})));
  for (const auto& entity : entities) {
    auto guard = guard_name(migration, side, entity);
    append(phrases, CO_TRY(co_await connection->exec_params(std::string(kGuardsSql),
                                                            {{guard_trigger(guard, "")}, {guard + "_"}})));
  }
  if (!CO_TRY(co_await has_schema(*connection))) co_return phrases;
  Rows tables = CO_TRY(co_await connection->exec(
      "SELECT to_regclass('oxbow.migration') IS NOT NULL, to_regclass('oxbow.identity') IS NOT NULL"));
  if (tables.boolean(0, 1))
    append(phrases, CO_TRY(co_await connection->exec_params(std::string(kIdentitiesSql), {{there}, {back}})));
  if (tables.boolean(0, 0))
    append(phrases, CO_TRY(co_await connection->exec_params(std::string(kSchemaSql), {{there}, {back}})));
  co_return phrases;
}

}  // namespace oxbow::postgres
