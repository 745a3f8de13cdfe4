#include "flow/backfill/copied_rows.hpp"

#include "protocol/copy_binary.hpp"

namespace oxbow {

std::uint64_t map_copied_rows(RangeCopy& copy, RowMapper& mapper, std::string_view tuples, std::string& out) {
  std::uint64_t rows = 0;
  out.clear();
  while (!tuples.empty()) {
    auto tuple = take_tuple(tuples);
    auto mapped = mapper.map(tuple, out);
    if (mapped) {
      ++rows;
    } else {
      copy.row_rejected(std::string(tuple), mapped.error().detail);
    }
  }
  return rows;
}

}  // namespace oxbow
