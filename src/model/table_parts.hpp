// What a table of the legacy side consists of, itself or the partitions below it, with the marks that its
// database leaves when rows come, go or change without a word in the log.
#pragma once

#include <cstdint>
#include <vector>

#include "model/catalog.hpp"
#include "model/position.hpp"

namespace oxbow {

// Transaction ids that are numbers in here are as a catalog holds them: the lower 32 bits.
struct TablePart {
  std::uint32_t oid = 0;
  std::uint32_t parent = 0;  // 0: it is the table itself
  TableName name;
  std::uint32_t file = 0;  // another one: all rows were written anew, or are gone; 0: it has none of its own
  std::uint32_t changed_by = 0;  // the transaction that changed its description last
  std::uint32_t linked_by = 0;   // the transaction that made it a partition, and at which command
  std::uint32_t linked_at = 0;
  bool born_here = true;               // created as a partition; false: attached later
  bool counted = false;                // the server has counted its rows since it was emptied last
  std::vector<std::uint64_t> columns;  // number << 32 | the transaction that changed its description last
  Xid seen_before;                     // all transactions below had ended when it was seen as it is here

  bool holds_rows() const { return file != 0; }
};

struct TableParts {
  TableName table;
  std::uint32_t oid = 0;  // 0: it is gone
  std::vector<TablePart> parts;

  const TablePart* find(std::uint32_t part) const;
};

// All of them as of one moment, which lies before `at` in the log.
struct PartsLook {
  std::vector<TableParts> tables;
  Lsn at;
};

// Which rows of a part were written before some moment.
enum class OldRows {
  some,
  none,
  unknown,  // none among the first ones, and the part is too large to be looked through
  empty     // it holds no row at all
};

}  // namespace oxbow
