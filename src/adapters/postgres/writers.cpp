#include "adapters/postgres/writers.hpp"

namespace oxbow::postgres {
namespace {

// The lock of a prepared transaction shows no process. Of others' sessions a server shows the beginning and
// the state only to roles that may see it.
constexpr std::string_view kWritersSql = R"sql(
  SELECT DISTINCT l.virtualtransaction, coalesce(l.pid, 0), coalesce(a.application_name, ''),
         coalesce(a.usename, a.backend_type, ''), coalesce(p.gid, ''),
         (extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)) * 1000000)::bigint,
         coalesce(starts_with(a.state, 'idle in transaction'), false)
  FROM pg_locks l
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_locks own ON l.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
                        AND own.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_prepared_xacts p ON p.transaction = own.transactionid
  WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND )sql";

}  // namespace

Task<std::vector<WriterAtWork>> writers_where(Connection& connection, std::string condition,
                                              std::vector<Param> params) {
  Rows rows =
      CO_TRY(co_await connection.exec_params(std::string(kWritersSql) + condition, std::move(params)));
  std::vector<WriterAtWork> writers;
  for (int row = 0; row < rows.size(); ++row) {
    auto application = rows.text(row, 2), user = rows.text(row, 3), prepared = rows.text(row, 4);
    auto who = !prepared.empty()     ? "prepared transaction " + prepared
               : application.empty() ? user
                                     : application + " of " + user;
    WriterAtWork writer{.transaction = rows.text(row, 0),
                        .who = std::move(who),
                        .pid = rows.number(row, 1),
                        .age = {},
                        .idle_in_transaction = rows.boolean(row, 6)};
    if (!rows.is_null(row, 5)) writer.age = std::chrono::microseconds(rows.number(row, 5));
    writers.push_back(std::move(writer));
  }
  co_return writers;
}

}  // namespace oxbow::postgres
