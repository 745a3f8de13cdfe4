// The frame around rows in COPY BINARY: a header, tuples of model/tuple.hpp one behind the other, a trailer.
// Values are never looked into.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace oxbow {

std::string_view copy_binary_header();
std::string_view copy_binary_trailer();

// Takes the frame off a stream that arrives in pieces. A piece may end anywhere in the header; after it, each
// piece holds whole tuples, as CopyData messages of a server do. Serves one COPY.
class CopyBinaryReader {
 public:
  // Appends the tuples of `piece` to `out` and returns how many they are. `malformed` if the bytes are no
  // such stream, and nothing has then been appended.
  Result<std::uint64_t> read(std::string_view piece, std::string& out);

  // True once the trailer has come. A stream that ends without it was cut off.
  bool complete() const { return complete_; }

 private:
  Result<std::size_t> skip_header(std::string_view piece);

  std::string header_;  // as much of it as has come
  bool in_header_ = true;
  bool complete_ = false;
};

// Takes the first tuple off `rest`, which holds tuples one behind the other; `malformed` if it is not whole.
// REQUIRES: !rest.empty()
Result<std::string_view> next_tuple(std::string_view& rest);

// The length of the tuple that `tuples` begins with. REQUIRES: next_tuple() would find one.
std::size_t tuple_size(std::string_view tuples);

// Takes that tuple off.
std::string_view take_tuple(std::string_view& tuples);

}  // namespace oxbow
