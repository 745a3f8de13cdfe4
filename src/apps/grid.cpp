#include "apps/grid.hpp"

#include <algorithm>

namespace oxbow {

Grid::Grid(std::vector<std::string> titles) {
  std::vector<Cell> row;
  for (auto& title : titles) row.push_back({std::move(title), Tint::faint});
  add(std::move(row));
}

void Grid::add(std::vector<Cell> row) {
  widths_.resize(std::max(widths_.size(), row.size()));
  for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], columns_of(row[i].text));
  rows_.push_back(std::move(row));
}

std::string Grid::to_string(Paint paint) const {
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += paint(row[i].tint, row[i].text);
      bool last = std::all_of(row.begin() + static_cast<std::ptrdiff_t>(i) + 1, row.end(),
                              [](const Cell& cell) { return cell.text.empty(); });
      if (last) break;
      out += std::string(widths_[i] - columns_of(row[i].text) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace oxbow
