#include "integration/postgres/fixture.hpp"

#include <fmt/core.h>

#include "model/tuple.hpp"

namespace oxbow::postgres {
namespace {

int next_database = 0;

Task<Rows> run_once(ConnectionSettings settings, std::string sql) {
  auto connection = CO_TRY(co_await Connection::open(settings));
  co_return co_await connection->exec(sql);
}

}  // namespace

testing::Cluster& the_cluster() {
  static testing::Cluster cluster({"max_slot_wal_keep_size=-1"});
  return cluster;
}

DatabaseTest::DatabaseTest() : database_(fmt::format("test_{}", next_database++)) {
  ConnectionSettings maintenance{.url = the_cluster().url("postgres"), .application_name = "oxbow test"};
  must(run_once(maintenance, fmt::format("CREATE DATABASE {}", database_)));
  other_ = must(Connection::open(settings()));
}

DatabaseTest::~DatabaseTest() = default;

std::vector<std::string> DatabaseTest::sql(const std::string& statements) {
  Rows rows = must(other_->exec(statements));
  std::vector<std::string> lines;
  for (int row = 0; row < rows.size(); ++row) {
    std::string line;
    for (int column = 0; column < PQnfields(rows.get()); ++column) {
      if (column > 0) line += '|';
      line += rows.is_null(row, column) ? "NULL" : rows.text(row, column);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string DatabaseTest::sql_value(const std::string& statement) {
  auto lines = sql(statement);
  return lines.empty() ? "" : lines.front();
}

std::string tuple(const std::vector<std::optional<std::string>>& fields) {
  TupleBuilder builder;
  builder.begin(static_cast<std::uint16_t>(fields.size()));
  for (const auto& field : fields) field ? builder.add_value(*field) : builder.add_null();
  return builder.take();
}

std::string int4(std::int32_t value) {
  std::string out;
  append_big_endian(out, value);
  return out;
}

std::string int8(std::int64_t value) {
  std::string out;
  append_big_endian(out, value);
  return out;
}

RowBatch batch(const TargetTable& table, RowOp op, const std::vector<std::string>& tuples) {
  RowBatch made;
  made.table = &table;
  made.op = op;
  made.sent.assign(table.columns.size(), true);
  made.rows = tuples.size();
  for (const auto& bytes : tuples) {
    made.offsets.push_back(made.tuples.size());
    made.tuples += bytes;
  }
  return made;
}

}  // namespace oxbow::postgres
