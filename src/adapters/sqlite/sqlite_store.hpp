// The control store in one SQLite file: journal and findings. Everything can be looked at with `sqlite3`
// while oxbow runs. Safe from any thread; calls block for the disk.
#pragma once

#include <memory>
#include <string>

#include "ports/event_store.hpp"
#include "ports/finding_store.hpp"

namespace oxbow {

class SqliteStore : public EventStore, public FindingStore {
 public:
  // False only if there certainly is none: a file that we may not see is one.
  static bool exists(const std::string& path);

  // For the one process that runs the migration: creates the file where it is missing, takes the lock
  // (`already_running`) and checks every page (`store_corrupt`).
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& path);

  // For a look at it beside a running oxbow. Writes fail. `not_found` if there is no file.
  static Result<std::unique_ptr<SqliteStore>> open_to_read(const std::string& path);

  ~SqliteStore() override;

  Status append(const std::vector<JournalRecord>& records) override;
  Result<std::vector<JournalRecord>> read_after(std::uint64_t after, std::size_t limit) override;
  Result<std::vector<JournalRecord>> read_last(std::size_t limit) override;

  Status record_all(const std::vector<Finding>& findings, WallTime now) override;
  Result<std::uint64_t> close(const FindingSelection& which, std::string_view ending, WallTime now) override;
  Result<std::vector<StoredFinding>> list_findings(const FindingQuery& query) override;
  Result<std::uint64_t> count_findings(const FindingQuery& query) override;

 private:
  struct Impl;
  explicit SqliteStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow
