#include "adapters/sqlite/sqlite_store.hpp"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <optional>

#include "adapters/sqlite/database.hpp"
#include "adapters/sqlite/store_lock.hpp"

namespace oxbow {
namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr std::uint64_t kFormat = 2;

constexpr const char* kSchema = R"sql(
CREATE TABLE journal (
  number        INTEGER PRIMARY KEY,
  body          TEXT NOT NULL,
  previous_hash TEXT NOT NULL,
  hash          TEXT NOT NULL
) STRICT;
CREATE TRIGGER journal_never_changes BEFORE UPDATE ON journal
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_never_forgets BEFORE DELETE ON journal
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TABLE findings (
  id            INTEGER PRIMARY KEY,
  kind          TEXT NOT NULL,
  table_name    TEXT NOT NULL,
  key           TEXT NOT NULL,
  entity        TEXT NOT NULL,
  sentence      TEXT NOT NULL,
  detail        TEXT NOT NULL,
  owner         TEXT NOT NULL,
  first_seen_us INTEGER NOT NULL,
  last_seen_us  INTEGER NOT NULL,
  count         INTEGER NOT NULL,
  open          INTEGER NOT NULL,
  ending        TEXT NOT NULL,
  UNIQUE (kind, table_name, key)
) STRICT;
CREATE INDEX findings_by_age ON findings (open, last_seen_us);

PRAGMA user_version = 2;
)sql";

std::uint64_t to_number(WallTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}
WallTime to_time(std::uint64_t number) {
  return WallTime(std::chrono::microseconds(number));
}

Result<std::uint64_t> single_number(Database& database, std::string_view sql) {
  auto statement = TRY(database.prepare(sql));
  return TRY(statement.step()) ? statement.number(0) : 0;
}

Status check_pages(Database& database, const std::string& path) {
  auto statement = TRY(database.prepare("PRAGMA quick_check(1)"));
  TRY(statement.step());
  auto said = statement.text(0);
  if (said == "ok") return {};
  return Err(ErrorCode::store_corrupt,
             "{} ({}): put back a copy of it, or move it away and begin a new journal; rows and positions "
             "are in the "
             "two databases and are not affected",
             path, said);
}

Status check_format(Database& database, const std::string& path) {
  auto format = TRY(single_number(database, "PRAGMA user_version"));
  if (format == kFormat) return {};
  return Err(ErrorCode::store_corrupt,
             "{} has format {}, and this oxbow knows format {} only; use the program that wrote it, or name "
             "another directory with --state",
             path, format, kFormat);
}

Status create_schema(Database& database) {
  return database.in_transaction([&]() -> Status {
    if (TRY(single_number(database, "SELECT count(*) FROM sqlite_schema")) > 0) return {};
    return database.execute(kSchema);
  });
}

Result<std::vector<JournalRecord>> read_records(Statement& statement) {
  std::vector<JournalRecord> records;
  while (TRY(statement.step())) {
    records.push_back({statement.number(0), statement.text(1), statement.text(2), statement.text(3)});
  }
  return records;
}

// In the order of columns of list_findings().
Result<StoredFinding> read_finding(const Statement& statement) {
  auto kind = std::ranges::find(kFindingKindNames, statement.text(0));
  if (kind == kFindingKindNames.end()) {
    return Err(ErrorCode::store_corrupt, "a finding has the unknown kind `{}`", statement.text(0));
  }
  StoredFinding stored;
  stored.finding.kind = static_cast<FindingKind>(kind - kFindingKindNames.begin());
  stored.finding.table = statement.text(1);
  stored.finding.key = statement.text(2);
  stored.finding.entity = statement.text(3);
  stored.finding.sentence = statement.text(4);
  stored.finding.detail = statement.text(5);
  stored.finding.owner = statement.text(6);
  stored.first_seen = to_time(statement.number(7));
  stored.last_seen = to_time(statement.number(8));
  stored.count = statement.number(9);
  stored.open = statement.number(10) != 0;
  stored.id = statement.number(11);
  stored.ending = statement.text(12);
  return stored;
}

std::string_view kind_or_all(const FindingQuery& query) {
  return query.kind ? name(*query.kind) : std::string_view("");
}

Result<std::vector<std::uint64_t>> select_open(Database& database, const FindingSelection& which) {
  auto select = TRY(database.prepare(
      "SELECT id, table_name, key FROM findings WHERE open AND (?1 = 0 OR id = ?1) AND "
      "(?2 = '' OR kind = ?2) "
      "AND (?3 OR entity = ?4) AND (?5 OR table_name = ?6) AND (?7 OR key = ?8) AND (?9 OR last_seen_us < "
      "?10)"));
  auto any_or = [&](const std::optional<std::string>& wanted) {
    select.bind(std::uint64_t{!wanted}).bind(wanted ? std::string_view(*wanted) : std::string_view(""));
  };
  select.bind(which.id.value_or(0)).bind(which.kind ? name(*which.kind) : std::string_view(""));
  any_or(which.entity);
  any_or(which.table);
  any_or(which.key);
  select.bind(std::uint64_t{!which.seen_before}).bind(to_number(which.seen_before.value_or(WallTime{})));
  std::vector<std::uint64_t> ids;
  while (TRY(select.step())) {
    if (!which.but.contains({select.text(1), select.text(2)})) ids.push_back(select.number(0));
  }
  return ids;
}

}  // namespace

struct SqliteStore::Impl {
  std::mutex mutex;
  std::optional<StoreLock> lock;
  Database database;

  Impl(std::optional<StoreLock> taken, Database opened)
      : lock(std::move(taken)), database(std::move(opened)) {}
};

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStore::~SqliteStore() = default;

bool SqliteStore::exists(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::exists(path, unknown) || unknown;
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path) {
  auto lock = TRY(StoreLock::take(path));
  auto database = TRY(Database::open(path, true));
  TRY(check_pages(database, path));
  TRY(database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"));
  TRY(create_schema(database));
  TRY(check_format(database, path));
  return std::unique_ptr<SqliteStore>(
      new SqliteStore(std::make_unique<Impl>(std::move(lock), std::move(database))));
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open_to_read(const std::string& path) {
  if (!exists(path)) {
    return Err(ErrorCode::not_found,
               "{} does not exist; `oxbow up` creates it, or name its directory with --state", path);
  }
  auto database = TRY(Database::open(path, false));
  TRY(check_format(database, path));
  TRY(database.execute("PRAGMA query_only = ON"));
  return std::unique_ptr<SqliteStore>(
      new SqliteStore(std::make_unique<Impl>(std::nullopt, std::move(database))));
}

Status SqliteStore::append(const std::vector<JournalRecord>& records) {
  std::scoped_lock guard(impl_->mutex);
  auto& database = impl_->database;
  return database.in_transaction([&]() -> Status {
    auto last = TRY(database.prepare("SELECT number, hash FROM journal ORDER BY number DESC LIMIT 1"));
    bool any = TRY(last.step());
    auto number = any ? last.number(0) : 0;
    auto hash = any ? last.text(1) : std::string(64, '0');
    auto insert = TRY(database.prepare("INSERT INTO journal VALUES (?, ?, ?, ?)"));
    for (const auto& record : records) {
      if (record.number != number + 1 || record.previous_hash != hash) {
        return Err(ErrorCode::internal, "record {} does not continue the journal, which ends with {}",
                   record.number, number);
      }
      insert.bind(record.number).bind(record.body).bind(record.previous_hash).bind(record.hash);
      TRY(insert.run());
      insert.reset();
      number = record.number;
      hash = record.hash;
    }
    return {};
  });
}

Result<std::vector<JournalRecord>> SqliteStore::read_after(std::uint64_t after, std::size_t limit) {
  std::scoped_lock guard(impl_->mutex);
  auto select = TRY(impl_->database.prepare(
      "SELECT number, body, previous_hash, hash FROM journal WHERE number > ? ORDER BY number LIMIT ?"));
  select.bind(after).bind(std::uint64_t{limit});
  return read_records(select);
}

Result<std::vector<JournalRecord>> SqliteStore::read_last(std::size_t limit) {
  std::scoped_lock guard(impl_->mutex);
  auto select =
      TRY(impl_->database.prepare("SELECT * FROM (SELECT number, body, previous_hash, hash FROM journal "
                                  "ORDER BY number DESC LIMIT ?) ORDER BY 1"));
  select.bind(std::uint64_t{limit});
  return read_records(select);
}

Status SqliteStore::record_all(const std::vector<Finding>& findings, WallTime now) {
  std::scoped_lock guard(impl_->mutex);
  auto& database = impl_->database;
  return database.in_transaction([&]() -> Status {
    auto upsert = TRY(database.prepare(
        "INSERT INTO findings VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, 1, '') ON CONFLICT DO "
        "UPDATE SET entity = ?4, sentence = ?5, detail = ?6, owner = ?7, last_seen_us = ?8, count = count + "
        "1, open = 1, ending = '' WHERE kind <> ?9 OR sentence <> ?5 OR detail <> ?6"));
    for (const auto& finding : findings) {
      upsert.bind(name(finding.kind)).bind(finding.table).bind(finding.key).bind(finding.entity);
      upsert.bind(finding.sentence).bind(finding.detail).bind(finding.owner).bind(to_number(now));
      upsert.bind(name(FindingKind::rogue_write));
      TRY(upsert.run());
      upsert.reset();
    }
    return {};
  });
}

Result<std::uint64_t> SqliteStore::close(const FindingSelection& which, std::string_view ending,
                                         WallTime now) {
  std::scoped_lock guard(impl_->mutex);
  auto& database = impl_->database;
  std::uint64_t closed = 0;
  TRY(database.in_transaction([&]() -> Status {
    auto update =
        TRY(database.prepare("UPDATE findings SET open = 0, last_seen_us = ?, ending = ? WHERE id = ?"));
    for (auto id : TRY(select_open(database, which))) {
      update.bind(to_number(now)).bind(ending).bind(id);
      TRY(update.run());
      update.reset();
      ++closed;
    }
    return {};
  }));
  return closed;
}

Result<std::vector<StoredFinding>> SqliteStore::list_findings(const FindingQuery& query) {
  std::scoped_lock guard(impl_->mutex);
  auto select = TRY(impl_->database.prepare(
      "SELECT kind, table_name, key, entity, sentence, detail, owner, first_seen_us, last_seen_us, count, "
      "open, id, ending FROM findings WHERE (open OR ?1) AND (?2 = '' OR kind = ?2) AND (?3 = '' OR entity = "
      "?3) "
      "ORDER BY last_seen_us DESC, kind, table_name, key LIMIT ?4 OFFSET ?5"));
  select.bind(std::uint64_t{query.with_closed}).bind(kind_or_all(query)).bind(query.entity.value_or(""));
  select.bind(query.limit).bind(query.skip);
  std::vector<StoredFinding> findings;
  while (TRY(select.step())) findings.push_back(TRY(read_finding(select)));
  return findings;
}

Result<std::uint64_t> SqliteStore::count_findings(const FindingQuery& query) {
  std::scoped_lock guard(impl_->mutex);
  auto count = TRY(impl_->database.prepare(
      "SELECT count(*) FROM findings WHERE (open OR ?1) AND (?2 = '' OR kind = ?2) AND "
      "(?3 = '' OR entity = ?3)"));
  count.bind(std::uint64_t{query.with_closed}).bind(kind_or_all(query)).bind(query.entity.value_or(""));
  TRY(count.step());
  return count.number(0);
}

}  // namespace oxbow
