// Values and rows as people see them in a finding: on one line, cut where they are long. Values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace oxbow {

// 'abc', or 'abc…' where it has more than `characters_max` characters.
std::string shown_value(std::string_view text, std::size_t characters_max);

// What a row without a key goes by: "at='2026-01-01', page='/x'", its columns in order. Rows that differ in
// `bytes` have different names, also where so much is cut that they look alike.
class ShownRow {
 public:
  void add(std::string_view column, std::string_view value);  // as text
  void add_null(std::string_view column);
  void add_unknown(std::string_view column, std::size_t size);  // a value without a text

  std::string to_string(std::string_view bytes) const;

 private:
  void append(std::string_view column, std::string_view shown);

  std::string line_;
  bool cut_ = false;
};

}  // namespace oxbow
