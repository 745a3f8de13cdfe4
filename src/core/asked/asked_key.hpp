// What a person means who names a key: "4711" is the key of an entity, or of a table whose key is one column;
// "order_id=4711" or "order_id=4711, line_no=1" name columns, by what either side calls them. Values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow {

// The key of one legacy table and of its new table.
struct KeyNames {
  std::vector<std::string> legacy, new_side;  // columns of the key, in the same order
  std::string legacy_entity, new_entity;      // columns that hold the entity's key; empty: none
};

class AskedKey {
 public:
  // Only what begins with a column of these tables names columns: a value may hold an `=` of its own.
  static AskedKey parse(std::string_view text, const std::vector<KeyNames>& tables);

  // Whether a key as findings show it is one of those that are meant.
  bool means(std::string_view shown, const KeyNames& table) const;

  // The same of a row, as its columns print.
  using Columns = std::map<std::string, std::string>;
  bool means_row(const Columns& row, const KeyNames& table) const;

  // What the first columns of the table's key have to be, as far as they are named; empty: it cannot be
  // looked up there.
  std::vector<std::string> leading_values(const KeyNames& table) const;

 private:
  std::string text_;
  Columns columns_;  // that are named; empty: text_ is a value
};

}  // namespace oxbow
