// Rows as one parameter of a statement: the binary form of an array of a composite type. The server's
// unnest() makes them rows again, so a whole batch travels in one message and needs no staging table that
// would have to be created, cleared and vacuumed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow::postgres {

struct RecordLayout {
  std::uint32_t record_oid = 0;           // of the composite type
  std::vector<std::uint32_t> field_oids;  // types of its fields
  std::vector<bool> taken;                // per field of a tuple: is it a field of the record?
};

// A piece of a batch: an array of the first rows of `tuples` that together are about `bytes_max`, at least
// one row. Takes them off `tuples` and counts them in `rows`. Fields that are not sent become NULL.
std::string take_record_array(const RecordLayout& layout, std::string_view& tuples, std::size_t bytes_max,
                              std::uint64_t& rows);

}  // namespace oxbow::postgres
