// Sets up, watches and takes away what a migration needs on the side it reads.
#pragma once

#include "adapters/postgres/admin_base.hpp"

namespace oxbow::postgres {

class PgSourceAdmin final : public AdminBase<SourceAdmin> {
 public:
  using AdminBase::AdminBase;

  Task<SourceHealth> read_health() override;
  Task<Snapshot> current_snapshot() override;
  Task<void> change_identity(IdentityChange change) override;
  Task<Lsn> ensure_stream(std::vector<TableName> tables) override;
  Task<void> give_up_stream() override;
  Task<Lsn> emit_marker(std::string content) override;
  Task<void> beat(std::uint64_t number) override;
  Task<std::uint64_t> last_beat() override;
  Task<PartsLook> look_at_parts(std::vector<TableName> tables) override;
  Task<OldRows> find_old_rows(TableName part, std::uint32_t xid, std::uint32_t command) override;
  Task<std::vector<KeyBound>> plan_ranges(TableName table, std::vector<KeyColumn> key,
                                          std::uint64_t rows_per_range) override;
  Task<std::vector<std::string>> remove() override;

 private:
  Task<Connection*> session() override;
  Task<void> ensure_publication(Connection& connection, std::vector<TableName> tables);
  Task<Lsn> ensure_slot(Connection& connection);
  Task<void> restore_identities(Connection& connection, std::vector<std::string>& done);
  Task<void> drop_slot(Connection& connection, std::vector<std::string>& done);
};

}  // namespace oxbow::postgres
