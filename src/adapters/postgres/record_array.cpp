#include "adapters/postgres/record_array.hpp"

#include <algorithm>

#include "model/tuple.hpp"

namespace oxbow::postgres {
namespace {

constexpr std::int32_t kDimensions = 1;
constexpr std::int32_t kHasNulls = 0;
constexpr std::int32_t kLowerBound = 1;
constexpr std::size_t kCountAt = 12;

void put_at(std::string& out, std::size_t at, std::int32_t value) {
  std::string bytes;
  append_big_endian(bytes, value);
  out.replace(at, bytes.size(), bytes);
}

// Appends the record of the tuple that `at` points to and returns where the tuple ends.
const char* append_record(const RecordLayout& layout, const char* at, std::string& out) {
  auto fields = read_big_endian<std::uint16_t>(at);
  at += 2;
  auto length_at = out.size();
  append_big_endian(out, std::int32_t{0});
  append_big_endian(out, static_cast<std::int32_t>(layout.field_oids.size()));
  auto oid = layout.field_oids.begin();
  for (std::uint16_t i = 0; i < fields; ++i) {
    auto length = std::max(read_big_endian<std::int32_t>(at), -1);
    auto size = static_cast<std::size_t>(std::max(length, 0));
    if (layout.taken[i]) {
      append_big_endian(out, *oid++);
      append_big_endian(out, length);
      out.append(at + 4, size);
    }
    at += 4 + size;
  }
  put_at(out, length_at, static_cast<std::int32_t>(out.size() - length_at - 4));
  return at;
}

}  // namespace

std::string take_record_array(const RecordLayout& layout, std::string_view& tuples, std::size_t bytes_max,
                              std::uint64_t& rows) {
  std::string out;
  out.reserve(std::min(bytes_max, tuples.size() * 2) + 64);
  append_big_endian(out, kDimensions);
  append_big_endian(out, kHasNulls);
  append_big_endian(out, layout.record_oid);
  append_big_endian(out, std::int32_t{0});
  append_big_endian(out, kLowerBound);
  rows = 0;
  const char* at = tuples.data();
  const char* end = at + tuples.size();
  while (at != end && (rows == 0 || out.size() < bytes_max)) {
    at = append_record(layout, at, out);
    ++rows;
  }
  put_at(out, kCountAt, static_cast<std::int32_t>(rows));
  tuples = std::string_view(at, static_cast<std::size_t>(end - at));
  return out;
}

}  // namespace oxbow::postgres
