// A guard as PostgreSQL understands it: SQL texts, and nothing that talks to a server.
//
// The state of a guard is the value of a sequence, its cell: a word of the order, the epoch and the mode. A
// sequence is no row: whoever reads it sees the value of this moment, in every isolation level and under
// every snapshot, and nobody waits for anybody. Row triggers ask the cell of their row's cohort. They stand
// BEFORE the write, so that whoever has begun to write while a handover is near is known from the first row
// on, and last among their kind, because triggers of the application may still change the key.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/guard.hpp"
#include "ports/guards.hpp"

namespace oxbow::postgres {

// What the guards of one entity on one side are called; in schema oxbow.
std::string guard_name(std::string_view migration, Side side, std::string_view entity);
std::string guard_cell(std::string_view guard, std::size_t cohort);  // "oxbow.guard_payments_0"

// Begins the names of the triggers of all guards, of any migration.
inline constexpr std::string_view kGuardTriggerPrefix = "~oxbow_guard_";

// A trigger's name, unquoted; `what` is insert, update, delete or truncate.
std::string guard_trigger(std::string_view guard, std::string_view what);

std::int64_t guard_word(GuardState state);
GuardState parse_guard_word(std::int64_t word);

// Whether a guard whose word is `before` may become `word`.
std::string may_follow_sql(std::string_view before_sql, std::int64_t word);

// The advisory lock of a cell, which writers share while a handover is near.
std::string guard_lock_sql(std::string_view cell_sql);

// Creates or replaces what all tables of the entity share. REQUIRES: the cells.
std::string guard_functions_sql(const std::string& guard, const GuardedEntity& entity);

// Creates or replaces the functions of one table of the entity.
std::string guard_table_functions_sql(const std::string& guard, const GuardedEntity& entity,
                                      const GuardedTable& table);

// What a guard has triggers for.
inline constexpr std::array<std::string_view, 4> kGuardedOperations = {"insert", "update", "delete",
                                                                       "truncate"};

// The function of one table that its rows meet: "oxbow.guard_..._insert".
std::string guard_function(std::string_view guard, const TableName& table, std::string_view operation);

// Creates the trigger of one operation on `part`, quoted: on `table` itself, or on a part of it.
std::string guard_trigger_sql(const std::string& guard, const TableName& table, std::string_view operation,
                              const std::string& part);

}  // namespace oxbow::postgres
