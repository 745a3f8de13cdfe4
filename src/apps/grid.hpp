// Rows of cells under each other, columns two spaces apart, each as wide as its widest cell.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "apps/terminal.hpp"

namespace oxbow {

// A cell with its colour; the width is that of the text.
struct Cell {
  std::string text;
  Tint tint = Tint::none;
};

class Grid {
 public:
  explicit Grid(std::vector<std::string> titles);

  void add(std::vector<Cell> row);
  std::string to_string(Paint paint) const;

 private:
  std::vector<std::vector<Cell>> rows_;
  std::vector<std::size_t> widths_;
};

// How many columns the text takes, supposing one for each character.
std::size_t columns_of(std::string_view text);

}  // namespace oxbow
