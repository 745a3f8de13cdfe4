// Looks for one key in both databases, for `oxbow why`. What it needs of the plan is taken when it is made,
// so that it may go on while the stream ends. One thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/asked/asked_key.hpp"
#include "model/cohort.hpp"
#include "services/control/data_plane.hpp"
#include "services/pipeline/plan.hpp"
#include "services/pipeline/ports.hpp"

namespace oxbow {

class KeySearch {
 public:
  KeySearch(const Plan& plan, std::string_view asked);

  // A row that a side holds, by the text of its key's columns.
  struct Row {
    std::vector<std::string> key;
    bool on_legacy = false;
    bool on_new = false;
    std::optional<CohortId> cohort = {};  // none: the side that has the row does not tell
  };
  struct Table {
    std::uint32_t id = 0;
    TableName legacy, new_side;
    KeyNames names;
    std::vector<KeyColumn> legacy_key, new_key;
    CohortTable cohorts;
    std::vector<Row> rows;

    std::string shown(const Row& row) const;
  };

  // At one moment of each side, which are not the same.
  Task<void> look(const StreamPorts& ports);

  const AskedKey& asked() const { return asked_; }
  const std::vector<Table>& tables() const { return tables_; }

  // Whether a finding is about this key; of a rogue write, whether it wrote such a row.
  std::function<bool(const Finding&)> concerns() const;

 private:
  Task<void> look_at(SnapshotReader& reader, Side side, Table& table);

  std::vector<Table> tables_;
  AskedKey asked_;
};

}  // namespace oxbow
