// One session with a PostgreSQL server: libpq without blocking, driven by the executor of the task that
// opened it. Every wait has a deadline, so a server that falls silent becomes an error and never a hang. One
// statement at a time; one task at a time. After `connection_lost`, `timeout` or `cancelled` the session is
// closed for good (is_open()): nobody can know what became of its last statement. A statement that the server
// merely refuses leaves it open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/postgres/pg_error.hpp"
#include "adapters/postgres/rows.hpp"
#include "base/time.hpp"
#include "runtime/task.hpp"

namespace oxbow::postgres {

struct ConnectionSettings {
  std::string url;               // URL or key=value string, as libpq takes it
  std::string application_name;  // what pg_stat_activity shows
  std::string defaults;          // settings as in `options`, which the URL's own may change
  bool replication = false;  // the session can stream the log; it then knows no parameters, only plain SQL
  Duration connect_max = std::chrono::seconds(10);
  Duration silence_max = std::chrono::seconds(60);
};

struct Param {
  std::optional<std::string> value;  // none: NULL
  bool binary = false;
};

struct Statement {
  std::string sql;  // text, or the name of a prepared statement
  std::vector<Param> params = {};
  bool prepared = false;
};

enum class Format { text, binary };

class Connection {
 public:
  static Task<std::unique_ptr<Connection>> open(ConnectionSettings settings);
  ~Connection();

  bool is_open() const;

  // The same between two statements, and closes a session that has been ended from outside while it rested.
  // No round trip, so who has gone without a word is not missed yet.
  bool is_still_open();
  const Endpoint& endpoint() const;
  void close();

  // Runs one or more statements, separated by semicolons, and gives the result of the last one.
  Task<Rows> exec(std::string sql);

  // Runs one statement with parameters $1, $2, ...; `format` is that of the result.
  Task<Rows> exec_params(std::string sql, std::vector<Param> params, Format format = Format::text);

  Task<void> prepare(std::string name, std::string sql);

  // Sends all statements at once and collects their results: one round trip. The first that fails ends it.
  Task<std::vector<Rows>> pipeline(std::vector<Statement> statements);

  // The same with statements that `next` makes one after the other: the server works on the first while the
  // second is made.
  Task<std::vector<Rows>> pipeline(std::function<std::optional<Statement>()> next);

  // COPY ... TO STDOUT. copy_out_next() gives one message at a time; nothing after the last.
  Task<void> copy_out_begin(std::string sql);
  Task<std::optional<std::string_view>> copy_out_next();  // valid until the next call

  // COPY ... FROM STDIN. copy_in_end() gives the number of rows.
  Task<void> copy_in_begin(std::string sql);
  Task<void> copy_in_write(std::string_view bytes);
  Task<std::uint64_t> copy_in_end();

  // START_REPLICATION: copy in both directions. `receive` waits for a message, `poll` takes one that is there
  // already. A `receive` that is asked to stop has taken nothing, so the session stays open.
  Task<void> copy_both_begin(std::string sql);
  Task<std::string_view> copy_both_receive();  // valid until the next receive or poll
  Result<std::optional<std::string_view>> copy_both_poll();
  Status copy_both_send(
      std::string_view bytes);  // never waits; what does not fit goes out with the next call

  // How long the present statement may stay silent, where the default is too short: a filter that matches
  // nothing for a long stretch of a table. Holds until it is set again.
  void set_silence_max(Duration duration);

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow::postgres
