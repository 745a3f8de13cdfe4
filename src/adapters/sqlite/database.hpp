// The little of SQLite that the store needs: one connection, prepared statements, errors as ours. Private to
// this folder. One thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace oxbow::sqlite {

// A statement that is being bound and stepped. Text that is bound must live until the next reset.
class Statement {
 public:
  Statement(sqlite3_stmt* statement, sqlite3* database, std::string path)
      : statement_(statement, sqlite3_finalize), database_(database), path_(std::move(path)) {}

  Statement& bind(std::string_view text);
  Statement& bind(std::uint64_t number);

  Result<bool> step();  // true: a row is there
  Status run();         // for statements without rows
  void reset();

  std::string text(int column) const;
  std::uint64_t number(int column) const;

 private:
  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement_;
  sqlite3* database_;
  std::string path_;
  int next_ = 1;
};

class Database {
 public:
  static Result<Database> open(const std::string& path, bool create);

  Status execute(const char* sql);  // any number of statements without parameters
  Result<Statement> prepare(std::string_view sql);

  // Runs `body` in one transaction, which is rolled back if it fails.
  template <class Body>
  Status in_transaction(Body&& body) {
    TRY(execute("BEGIN IMMEDIATE"));
    Status done = body();
    if (done) done = execute("COMMIT");
    if (!done) sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    return done;
  }

 private:
  Database(sqlite3* handle, std::string path) : handle_(handle, sqlite3_close_v2), path_(std::move(path)) {}

  std::unique_ptr<sqlite3, int (*)(sqlite3*)> handle_;
  std::string path_;
};

// What SQLite's last error on `database` means for somebody who runs oxbow.
Error to_error(sqlite3* database, std::string_view path);

}  // namespace oxbow::sqlite
