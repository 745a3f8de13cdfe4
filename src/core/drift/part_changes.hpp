// What happened to the rows of a table between two looks at its parts that the log does not tell, or may not
// tell. Pure: who asks has both looks and can ask the database for more.
#pragma once

#include <vector>

#include "model/table_parts.hpp"

namespace oxbow {

struct PartChange {
  enum class Kind {
    made_anew,    // the table was dropped, renamed, or is another one of the same name
    gone,         // a partition with its rows
    attached,     // a partition that may have had rows before `since_xid`, `since_command`
    linked_anew,  // a partition was detached and attached; what was written to it meanwhile is not told
    rewritten,    // all rows were written anew, with a column of another description: perhaps of other values
    replaced      // all rows were written anew or removed
  };
  Kind kind;
  TablePart part;  // as it is now; where it is gone, as it was
  std::uint32_t since_xid = 0;
  std::uint32_t since_command = 0;
};

// A table that is no partitioned one is never `replaced`: its TRUNCATE is in the log.
std::vector<PartChange> part_changes(const TableParts& before, const TableParts& now);

// True if every part that is there in both looks has another file. A TRUNCATE of the whole table does that.
bool all_replaced(const TableParts& before, const TableParts& now);

}  // namespace oxbow
