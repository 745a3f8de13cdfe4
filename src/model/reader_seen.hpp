// Who reads tables that should have no reader any more, or could.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "model/catalog.hpp"

namespace oxbow {

enum class ReaderKind {
  session,        // it was seen reading
  statement,      // the server's statistics of statements tell of it
  scan,           // the server has counted scans since the last look, by whomever
  lost_count,     // the server has forgotten what it had counted, so nobody knows
  slot,           // a logical slot of somebody else decodes the table
  foreign_table,  // a table of the other side shows it
  view            // it shows the table, and goes with it
};

inline constexpr std::array kReaderKindNames = {
    std::string_view("session"),    std::string_view("statement"), std::string_view("scan"),
    std::string_view("lost-count"), std::string_view("slot"),      std::string_view("foreign-table"),
    std::string_view("view")};

constexpr std::string_view name(ReaderKind kind) {
  return kReaderKindNames[static_cast<std::size_t>(kind)];
}

struct ReaderSeen {
  ReaderKind kind;
  TableName table;
  std::string who;     // "nightly report of etl_ro from 10.0.0.7"
  std::string detail;  // what it does; a statement without its literals

  friend bool operator==(const ReaderSeen&, const ReaderSeen&) = default;
};

// What a look has found of tables.
struct ReadersSeen {
  std::vector<ReaderSeen> readers;
  std::optional<WallTime> counted_since;  // every scan behind this would have been told; none: not asked
};

}  // namespace oxbow
