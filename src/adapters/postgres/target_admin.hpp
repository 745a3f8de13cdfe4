// Sets up, watches and takes away what a migration needs on the side it writes.
#pragma once

#include <set>

#include "adapters/postgres/admin_base.hpp"

namespace oxbow::postgres {

class PgTargetAdmin final : public AdminBase<TargetAdmin> {
 public:
  // The application name in `settings` is that of this process: a session that holds the lock under the same
  // name is one that this process has lost, and is ended.
  using AdminBase::AdminBase;

  Task<void> lock() override;
  Task<void> install(std::vector<TableName> tables, int lanes) override;
  Task<bool> holds_rows(TableName table) override;
  Task<void> watch(std::vector<TableName> tables) override;
  Task<void> stop_watching(std::vector<TableName> tables) override;
  Task<StoredStream> load_stream() override;
  Task<void> forget_stream() override;
  Task<void> forget_cohorts(std::vector<std::uint32_t> tables, std::vector<CohortId> cohorts) override;
  Task<void> save_ranges(std::vector<RangeRecord> records) override;
  Task<std::vector<RogueWrite>> rogue_writes_after(std::uint64_t id) override;
  Task<std::vector<TableParts>> load_parts() override;
  Task<void> save_parts(std::vector<TableParts> tables) override;
  Task<std::vector<std::uint32_t>> truncations_of(std::vector<std::uint32_t> tables) override;
  Task<std::vector<std::string>> remove() override;

 private:
  // Opens itself when needed. After lock() a broken session is not replaced: somebody else may have had the
  // lock meanwhile, so whoever relied on it has to begin again, with lock().
  Task<Connection*> session() override;
  Task<void> set_watching(std::vector<TableName> tables, bool watching);
  Task<bool> try_lock(Connection& connection);
  bool is_ours(const Rows& holder) const;
  Error who_has_the_lock(const Connection& connection, const Rows& holder) const;
  Task<void> end_lanes(Connection& connection);
  Task<void> remember_seen(Connection& connection, std::uint64_t id);

  bool locked_ = false;
  std::optional<std::set<std::uint64_t>> seen_;  // rogue writes given out, the newest ones
};

}  // namespace oxbow::postgres
