// Schema oxbow: what a migration keeps in the two databases themselves, so that it is true together with
// their rows. Several migrations may share a database: every row carries its migration's name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "model/stream_state.hpp"
#include "model/table_parts.hpp"

namespace oxbow::postgres {

// A database may be source and target at once; the schema goes when the last (migration, role) is gone.
enum class Role { source, target };

// Creates what is missing. Changes nothing and takes no lock where everything is there.
Task<void> install_schema(Connection& connection, std::string migration, Role role);

// Takes this migration's rows away, and the schema with the last one. Returns what it did, one sentence each.
Task<std::vector<std::string>> remove_schema(Connection& connection, std::string migration, Role role);

// False if there is no schema oxbow, so nothing of this migration either.
Task<bool> has_schema(Connection& connection);

Statement save_position_statement(const std::string& migration, const StreamPosition& position);
Statement save_range_statement(const std::string& migration, const RangeRecord& record);
Statement quarantine_statement(const std::string& migration, const QuarantineRecord& record);
Statement release_statement(const std::string& migration, const QuarantineRelease& release);

Statement save_truncation_statement(const std::string& migration, std::uint32_t table, Xid wanted_by);
Statement save_part_statement(const std::string& migration, const TableParts& table, const TablePart& part);

Task<std::vector<TableParts>> load_parts(Connection& connection, std::string migration);
Task<std::optional<StreamPosition>> load_position(Connection& connection, std::string migration);
Task<std::vector<RangeRecord>> load_ranges(Connection& connection, std::string migration);
Task<std::vector<QuarantineRecord>> load_quarantine(Connection& connection, std::string migration);

}  // namespace oxbow::postgres
