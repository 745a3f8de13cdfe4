// What the tests of this folder share: one server for the whole program, a fresh database per test, and a way
// to run a task to its end.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "model/row_batch.hpp"
#include "runtime/cancellation.hpp"
#include "support/cluster.hpp"

namespace oxbow::postgres {

testing::Cluster& the_cluster();

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest();
  ~DatabaseTest() override;

  template <class T>
  Result<T> run(Task<T> task) {
    Result<T> out = Err(ErrorCode::internal, "the task never ended");
    boost::asio::co_spawn(io_, run_guarded(std::move(task)),
                          [&](std::exception_ptr exception, Result<T> result) {
                            EXPECT_FALSE(exception);
                            out = std::move(result);
                            io_.stop();
                          });
    io_.restart();
    io_.run();
    return out;
  }

  // Runs a task that must succeed.
  template <class T>
  T must(Task<T> task) {
    auto result = run(std::move(task));
    EXPECT_TRUE(result) << to_string(result.error());
    if constexpr (!std::is_void_v<T>) return result ? *std::move(result) : T();
  }

  // Statements of somebody else, on a session of their own. "a|b" per row.
  std::vector<std::string> sql(const std::string& statements);
  std::string sql_value(const std::string& statement);

  std::string url() const { return the_cluster().url(database_); }
  ConnectionSettings settings() const { return {.url = url(), .application_name = "oxbow test"}; }

  boost::asio::io_context io_;
  std::string database_;
  std::unique_ptr<Connection> other_;
};

// A tuple of values in their binary format; nothing: NULL.
std::string tuple(const std::vector<std::optional<std::string>>& fields);
std::string int4(std::int32_t value);
std::string int8(std::int64_t value);

// A batch of these tuples.
RowBatch batch(const TargetTable& table, RowOp op, const std::vector<std::string>& tuples);

}  // namespace oxbow::postgres
