// Source rows of a copy become target rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/mapping/row_mapper.hpp"
#include "flow/backfill/range_copy.hpp"

namespace oxbow {

// Replaces `out` by the images of whole source tuples; rows without an image are handed to `copy` for
// quarantine. Returns how many images there are.
std::uint64_t map_copied_rows(RangeCopy& copy, RowMapper& mapper, std::string_view tuples, std::string& out);

}  // namespace oxbow
