// The guards of one side as triggers and sequences in schema oxbow; see guard_sql.hpp for how they work.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "ports/guards.hpp"

namespace oxbow::postgres {

class PgGuards final : public Guards {
 public:
  PgGuards(ConnectionSettings settings, std::string migration, Side side)
      : settings_(std::move(settings)), migration_(std::move(migration)), side_(side) {}

  Task<void> install(GuardedEntity entity, std::vector<GuardState> initial) override;
  Task<GuardsSeen> look(std::string entity, std::vector<TableName> tables) override;
  Task<std::vector<GuardGap>> mend(std::string entity, std::vector<TableName> tables, Mend what) override;
  Task<TableChanges> compare_tables(std::string entity, std::vector<TableName> tables) override;
  Task<std::vector<GuardState>> read(std::string entity) override;
  Task<void> set(std::string entity, CohortId cohort, GuardState state) override;
  Task<std::vector<WriterAtWork>> writers(std::string entity) override;
  Task<std::vector<WriterAtWork>> writers_of(std::string entity, CohortId cohort) override;
  Task<bool> drain(std::string entity, CohortId cohort, Duration patience) override;
  Task<std::vector<std::string>> remove(std::string entity) override;

 private:
  Task<Connection*> session();
  std::string guard_of(const std::string& entity) const;
  static Task<void> make_cells(Connection& connection, const std::string& guard, const GuardedEntity& entity,
                               const std::vector<GuardState>& initial);
  struct Standing {
    bool functions = false;  // with their schema and the cells
    bool triggers = false;   // and none behind them
  };
  static Task<Standing> standing_of(Connection& connection, const std::string& guard,
                                    const GuardedEntity& entity, const std::string& functions);
  static Task<void> make_functions(Connection& connection, const std::string& guard,
                                   const GuardedEntity& entity, const std::string& functions);
  static Task<void> refuse_triggers_behind(Connection& connection, const std::string& guard,
                                           const GuardedTable& table);
  static Task<void> make_triggers(Connection& connection, const std::string& guard,
                                  const GuardedTable& table);

  // What a table or a part of one lacks, and what gives it that.
  struct OpenPart {
    std::string name;
    std::string sql;
    bool came_later = false;
  };
  static Task<std::vector<OpenPart>> find_gaps(Connection& connection, const std::string& guard,
                                               const std::vector<TableName>& tables);

  ConnectionSettings settings_;
  std::string migration_;
  Side side_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace oxbow::postgres
