// The first byte says where the rest, a COPY stream, is cut in two. Whatever is taken must be whole tuples,
// as many as were counted, and a cut inside the header must change nothing.
#include <algorithm>
#include <cstdint>

#include "base/assert.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"

namespace {

using namespace oxbow;

std::uint64_t count_tuples(std::string_view tuples) {
  std::uint64_t count = 0;
  for (; !tuples.empty(); ++count) {
    auto size = tuple_size(tuples);
    auto tuple = next_tuple(tuples);
    OXBOW_ASSERT(tuple && tuple->size() == size, "two ways to measure a tuple disagree");
    auto valid = validate_tuple(*tuple, field_count(*tuple));
    OXBOW_ASSERT(valid, "{}", valid.error().detail);
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto cut = std::min({std::size_t{data[0]}, stream.size(), copy_binary_header().size()});

  CopyBinaryReader whole_reader, cut_reader;
  std::string whole, in_two;
  auto rows = whole_reader.read(stream, whole);
  OXBOW_ASSERT(count_tuples(whole) == rows.value_or(0), "rows were miscounted");
  auto first = cut_reader.read(stream.substr(0, cut), in_two);
  auto second = first ? cut_reader.read(stream.substr(cut), in_two) : first;
  OXBOW_ASSERT(second.has_value() == rows.has_value() && in_two == whole,
               "a cut in the header made a difference");
  return 0;
}
