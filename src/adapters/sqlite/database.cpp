#include "adapters/sqlite/database.hpp"

#include <cstring>

namespace oxbow::sqlite {

Error to_error(sqlite3* database, std::string_view path) {
  int extended = sqlite3_extended_errcode(database);
  auto said = sqlite3_errmsg(database);
  switch (extended & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR: {
      int cause = sqlite3_system_errno(database);
      return {ErrorCode::store_full,
              fmt::format("{} ({}{}{}): free space and run `oxbow up` again; nothing was lost", path, said,
                          cause ? ", " : "", cause ? std::strerror(cause) : "")};
    }
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return {ErrorCode::store_full,
              fmt::format("{} ({}): the directory and the file must be writable for the user that runs oxbow",
                          path, said)};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {
          ErrorCode::store_corrupt,
          fmt::format(
              "{} ({}): put back a copy of it, or move it away and begin a new journal; rows and positions "
              "are in the two databases and are not affected",
              path, said)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::already_running, fmt::format("{} is locked by another program; close it", path)};
    default:
      return {ErrorCode::internal, fmt::format("{}: SQLite says {} ({})", path, said, extended)};
  }
}

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text(statement_.get(), next_++, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind(std::uint64_t number) {
  sqlite3_bind_int64(statement_.get(), next_++, static_cast<sqlite3_int64>(number));
  return *this;
}

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return std::unexpected(to_error(database_, path_));
  }
}

Status Statement::run() {
  TRY(step());
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  next_ = 1;
}

std::string Statement::text(int column) const {
  auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)))
               : "";
}

std::uint64_t Statement::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

Result<Database> Database::open(const std::string& path, bool create) {
  sqlite3* handle = nullptr;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  int opened = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Database database(handle, path);
  if (opened != SQLITE_OK) return std::unexpected(to_error(handle, path));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5000);
  return database;
}

Status Database::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected(to_error(handle_.get(), path_));
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  int prepared =
      sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (prepared != SQLITE_OK) return std::unexpected(to_error(handle_.get(), path_));
  return Statement(statement, handle_.get(), path_);
}

}  // namespace oxbow::sqlite
