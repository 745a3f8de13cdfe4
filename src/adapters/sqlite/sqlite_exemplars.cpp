#include "adapters/sqlite/sqlite_exemplars.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>

#include "adapters/sqlite/database.hpp"

namespace oxbow {
namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr std::uint64_t kFormat = 1;

// The WAL is cut back after each checkpoint, so that the files stay near what they hold. What is deleted or
// replaced is overwritten: it may be what somebody wants to be gone.
constexpr const char* kSettings =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 1048576; "
    "PRAGMA secure_delete = ON;";

constexpr const char* kSchema = R"sql(
CREATE TABLE clusters (
  number        INTEGER PRIMARY KEY,
  id            TEXT NOT NULL,
  route         TEXT NOT NULL,
  path          TEXT NOT NULL,
  kind          TEXT NOT NULL,
  value_classes TEXT NOT NULL,
  count         INTEGER NOT NULL,
  first_seen_us INTEGER NOT NULL,
  last_seen_us  INTEGER NOT NULL,
  bytes         INTEGER NOT NULL,
  UNIQUE (route, path, kind, value_classes)
) STRICT;

CREATE TABLE exemplars (
  cluster       INTEGER NOT NULL,
  place         INTEGER NOT NULL,
  at_us         INTEGER NOT NULL,
  request       TEXT NOT NULL,
  legacy_status INTEGER NOT NULL,
  legacy_value  TEXT NOT NULL,
  legacy_body   TEXT NOT NULL,
  new_status    INTEGER NOT NULL,
  new_value     TEXT NOT NULL,
  new_body      TEXT NOT NULL,
  PRIMARY KEY (cluster, place)
) STRICT;

PRAGMA user_version = 1;
)sql";

std::uint64_t to_number(WallTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}
WallTime to_time(std::uint64_t number) {
  return WallTime(std::chrono::microseconds(number));
}

Result<std::string> single_text(Database& database, std::string_view sql) {
  auto statement = TRY(database.prepare(sql));
  return TRY(statement.step()) ? statement.text(0) : std::string();
}

// What an error means here: less than it would in the control store.
std::string meaning(const Error& error) {
  switch (error.code) {
    case ErrorCode::store_full:
      return "the disk is full or the file cannot be written; they are kept again as soon as it can";
    case ErrorCode::store_corrupt:
      return "the file is damaged; the next start begins a new one";
    case ErrorCode::already_running:
      return "another program holds its lock; close it";
    default:
      return error.detail;
  }
}

Error as_complaint(const Error& error, const std::string& path) {
  return {error.code, fmt::format("exemplar pairs of differences are not kept on disk, and nothing else is "
                                  "affected: {}: {}",
                                  path, meaning(error))};
}

// SQLite would create the file for everybody to read; its companions take over what it has.
void create_for_owner_only(const std::string& path) {
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) ::close(file);
}

Result<Database> open_checked(const std::string& path) {
  create_for_owner_only(path);
  auto database = TRY(Database::open(path, true));
  auto pages = TRY(single_text(database, "PRAGMA quick_check(1)"));
  if (pages != "ok") return Err(ErrorCode::store_corrupt, "{}", pages);
  TRY(database.execute(kSettings));
  if (TRY(single_text(database, "SELECT count(*) FROM sqlite_schema")) == "0")
    TRY(database.in_transaction([&] { return database.execute(kSchema); }));
  auto format = TRY(single_text(database, "PRAGMA user_version"));
  if (format != std::to_string(kFormat))
    return Err(ErrorCode::store_corrupt, "it has format {}, not {}", format, kFormat);
  return database;
}

Result<std::string> move_aside(const std::string& path) {
  auto aside = path + ".damaged";
  std::error_code failed;
  for (const auto* companion : {"-wal", "-shm"}) std::filesystem::remove(path + companion, failed);
  std::filesystem::rename(path, aside, failed);
  if (failed)
    return Err(ErrorCode::internal, "it is damaged, and cannot be renamed to {}: {}", aside,
               failed.message());
  return aside;
}

Status write_exemplars(Database& database, std::uint64_t cluster, const std::vector<ExemplarPair>& pairs) {
  auto clear = TRY(database.prepare("DELETE FROM exemplars WHERE cluster = ?"));
  TRY(clear.bind(cluster).run());
  auto insert = TRY(database.prepare("INSERT INTO exemplars VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  std::uint64_t place = 0;
  for (const auto& pair : pairs) {
    insert.bind(cluster).bind(place++).bind(to_number(pair.at)).bind(pair.request);
    for (const auto* answer : {&pair.legacy, &pair.new_side})
      insert.bind(static_cast<std::uint64_t>(answer->status)).bind(answer->value).bind(answer->body);
    TRY(insert.run());
    insert.reset();
  }
  return {};
}

Status write_cluster(Database& database, const DifferenceCluster& cluster) {
  std::uint64_t bytes = 0;
  for (const auto& pair : cluster.exemplars) bytes += pair.bytes();
  auto upsert = TRY(database.prepare(
      "INSERT INTO clusters VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET "
      "id = ?1, count = ?6, first_seen_us = ?7, last_seen_us = ?8, bytes = ?9 RETURNING number"));
  const auto& signature = cluster.signature;
  upsert.bind(cluster.id).bind(signature.route).bind(signature.path).bind(signature.kind);
  upsert.bind(signature.values).bind(cluster.count);
  upsert.bind(to_number(cluster.first_seen)).bind(to_number(cluster.last_seen)).bind(bytes);
  TRY(upsert.step());
  auto number = upsert.number(0);
  TRY(upsert.run());
  return write_exemplars(database, number, cluster.exemplars);
}

Status keep_bounds(Database& database, const ExemplarBounds& bounds) {
  auto prune = TRY(database.prepare(
      "DELETE FROM clusters WHERE number IN (SELECT number FROM (SELECT number, row_number() OVER w AS "
      "place, "
      "sum(bytes) OVER w AS total FROM clusters WINDOW w AS (ORDER BY last_seen_us DESC, number ROWS "
      "UNBOUNDED PRECEDING)) WHERE place > ? OR total > ?)"));
  TRY(prune.bind(bounds.clusters_max).bind(bounds.bytes_max).run());
  return database.execute("DELETE FROM exemplars WHERE cluster NOT IN (SELECT number FROM clusters)");
}

// In the order of columns of read_exemplars().
ExemplarPair::Answer read_answer(const Statement& row, int column) {
  return {.status = static_cast<int>(row.number(column)),
          .value = row.text(column + 1),
          .body = row.text(column + 2)};
}

Result<std::vector<ExemplarPair>> read_exemplars(Statement& select, std::uint64_t cluster) {
  select.reset();
  select.bind(cluster);
  std::vector<ExemplarPair> pairs;
  while (TRY(select.step()))
    pairs.push_back({.at = to_time(select.number(0)),
                     .request = select.text(1),
                     .legacy = read_answer(select, 2),
                     .new_side = read_answer(select, 5)});
  return pairs;
}

Result<std::vector<DifferenceCluster>> read_clusters(Database& database) {
  auto select = TRY(database.prepare(
      "SELECT id, route, path, kind, value_classes, count, first_seen_us, last_seen_us, number FROM clusters "
      "ORDER BY last_seen_us DESC, number"));
  auto exemplars = TRY(database.prepare(
      "SELECT at_us, request, legacy_status, legacy_value, legacy_body, new_status, new_value, new_body FROM "
      "exemplars WHERE cluster = ? ORDER BY place"));
  std::vector<DifferenceCluster> clusters;
  while (TRY(select.step())) {
    clusters.push_back({.id = select.text(0),
                        .signature = {select.text(1), select.text(2), select.text(3), select.text(4)},
                        .count = select.number(5),
                        .first_seen = to_time(select.number(6)),
                        .last_seen = to_time(select.number(7)),
                        .exemplars = TRY(read_exemplars(exemplars, select.number(8)))});
  }
  return clusters;
}

}  // namespace

struct SqliteExemplars::Impl {
  std::string path;
  ExemplarBounds bounds;
  std::mutex mutex;
  Database database;

  Impl(std::string path_of_file, ExemplarBounds bounds_wanted, Database opened)
      : path(std::move(path_of_file)), bounds(bounds_wanted), database(std::move(opened)) {}

  // Runs `work` alone and explains its failure.
  template <class Work>
  auto run(Work work) -> decltype(work(database)) {
    std::scoped_lock guard(mutex);
    auto done = work(database);
    if (!done) return std::unexpected(as_complaint(done.error(), path));
    return done;
  }
};

SqliteExemplars::SqliteExemplars(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteExemplars::~SqliteExemplars() = default;

Result<SqliteExemplars::Opened> SqliteExemplars::open(const std::string& path, ExemplarBounds bounds) {
  std::string complaint;
  auto database = open_checked(path);
  if (!database && database.error().code == ErrorCode::store_corrupt) {
    auto aside = move_aside(path);
    if (!aside) return std::unexpected(as_complaint(aside.error(), path));
    complaint = fmt::format("exemplar pairs of differences begin anew: {} could not be read and is now {}",
                            path, *aside);
    database = open_checked(path);
  }
  if (!database) return std::unexpected(as_complaint(database.error(), path));
  auto impl = std::make_unique<Impl>(path, bounds, std::move(*database));
  return Opened{std::unique_ptr<SqliteExemplars>(new SqliteExemplars(std::move(impl))), std::move(complaint)};
}

// The WAL would go on to hold what was replaced. Where it cannot be emptied now, the next save does it: what
// was to be kept is kept.
Status SqliteExemplars::save(const std::vector<DifferenceCluster>& clusters) {
  return impl_->run([&](Database& database) -> Status {
    TRY(database.in_transaction([&]() -> Status {
      for (const auto& cluster : clusters) TRY(write_cluster(database, cluster));
      return keep_bounds(database, impl_->bounds);
    }));
    static_cast<void>(database.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
    return {};
  });
}

Result<std::vector<DifferenceCluster>> SqliteExemplars::load() {
  return impl_->run([](Database& database) { return read_clusters(database); });
}

Status SqliteExemplars::forget(const std::vector<ClusterSignature>& signatures) {
  return impl_->run([&](Database& database) {
    return database.in_transaction([&]() -> Status {
      auto forget = TRY(database.prepare(
          "DELETE FROM clusters WHERE route = ? AND path = ? AND kind = ? AND value_classes = ?"));
      for (const auto& each : signatures) {
        TRY(forget.bind(each.route).bind(each.path).bind(each.kind).bind(each.values).run());
        forget.reset();
      }
      return keep_bounds(database, impl_->bounds);
    });
  });
}

}  // namespace oxbow
