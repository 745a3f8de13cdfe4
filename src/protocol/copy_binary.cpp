#include "protocol/copy_binary.hpp"

#include <algorithm>

#include "model/tuple.hpp"

namespace oxbow {
namespace {

using namespace std::string_view_literals;

// Signature, flags (none), length of the header's extension (none).
constexpr auto kSignature = "PGCOPY\n\377\r\n\0"sv;
constexpr auto kHeader = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"sv;
constexpr auto kTrailer = "\377\377"sv;
constexpr std::size_t kFixedHeader = 19;
constexpr std::size_t kExtensionMax = 1 << 20;
constexpr std::uint32_t kCriticalFlags = 0xffff0000;
constexpr std::int32_t kUnsentLength = -2;

static_assert(kSignature.size() == 11 && kHeader.size() == kFixedHeader);

}  // namespace

std::string_view copy_binary_header() {
  return kHeader;
}
std::string_view copy_binary_trailer() {
  return kTrailer;
}

Result<std::uint64_t> CopyBinaryReader::read(std::string_view piece, std::string& out) {
  if (in_header_) piece.remove_prefix(TRY(skip_header(piece)));
  auto rest = piece;
  std::uint64_t rows = 0;
  for (; !rest.empty() && !rest.starts_with(kTrailer); ++rows) {
    if (complete_) break;
    TRY(next_tuple(rest));
  }
  auto tuples = piece.substr(0, piece.size() - rest.size());
  if (rest.starts_with(kTrailer) && !complete_) {
    complete_ = true;
    rest.remove_prefix(kTrailer.size());
  }
  if (!rest.empty())
    return Err(ErrorCode::malformed, "{} bytes follow the end of a COPY stream", rest.size());
  out.append(tuples);
  return rows;
}

// How many bytes of `piece` belong to the header.
Result<std::size_t> CopyBinaryReader::skip_header(std::string_view piece) {
  std::size_t taken = 0;
  auto fill_to = [&](std::size_t size) {
    auto count = std::min(size - std::min(size, header_.size()), piece.size() - taken);
    header_.append(piece.substr(taken, count));
    taken += count;
    return header_.size() >= size;
  };
  bool fixed_part = fill_to(kFixedHeader);
  auto signature = std::string_view(header_).substr(0, kSignature.size());
  if (!kSignature.starts_with(signature))
    return Err(ErrorCode::malformed, "this is not a COPY BINARY stream");
  if (!fixed_part) return taken;
  auto flags = read_big_endian<std::uint32_t>(header_.data() + kSignature.size());
  if ((flags & kCriticalFlags) != 0)
    return Err(ErrorCode::malformed, "a COPY stream has flags {:#010x}, which have no meaning here", flags);
  auto extension = read_big_endian<std::uint32_t>(header_.data() + kSignature.size() + 4);
  if (extension > kExtensionMax)
    return Err(ErrorCode::malformed, "a COPY stream has a header extension of {} bytes", extension);
  in_header_ = !fill_to(kFixedHeader + extension);
  return taken;
}

Result<std::string_view> next_tuple(std::string_view& rest) {
  if (rest.size() < 2) return Err(ErrorCode::malformed, "a row ends inside its field count");
  auto count = read_big_endian<std::int16_t>(rest.data());
  if (count < 0) return Err(ErrorCode::malformed, "a row has {} fields", count);
  std::size_t at = 2;
  for (int i = 0; i < count; ++i) {
    if (rest.size() - at < 4) return Err(ErrorCode::malformed, "a row ends inside field {}", i);
    auto length = read_big_endian<std::int32_t>(rest.data() + at);
    at += 4;
    if (length < kUnsentLength)
      return Err(ErrorCode::malformed, "field {} of a row has the length {}", i, length);
    if (length <= 0) continue;
    if (rest.size() - at < static_cast<std::size_t>(length))
      return Err(ErrorCode::malformed, "a row ends inside field {}", i);
    at += static_cast<std::size_t>(length);
  }
  auto tuple = rest.substr(0, at);
  rest.remove_prefix(at);
  return tuple;
}

std::string_view take_tuple(std::string_view& tuples) {
  auto tuple = tuples.substr(0, tuple_size(tuples));
  tuples.remove_prefix(tuple.size());
  return tuple;
}

std::size_t tuple_size(std::string_view tuples) {
  const char* at = tuples.data() + 2;
  for (auto left = read_big_endian<std::uint16_t>(tuples.data()); left > 0; --left) {
    auto length = read_big_endian<std::int32_t>(at);
    at += 4 + (length > 0 ? length : 0);
  }
  return static_cast<std::size_t>(at - tuples.data());
}

}  // namespace oxbow
