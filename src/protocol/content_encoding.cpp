#include "protocol/content_encoding.hpp"

#include <brotli/decode.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace oxbow {
namespace {

enum class Coding { identity, gzip, deflate, brotli, unknown };

constexpr std::size_t kPieceBytes = 16 << 10;
constexpr std::size_t kCodingsMax = 4;  // more of them is an attack

// What zlib is told about the frame to expect, in its own terms.
constexpr int kGzipFrame = 16 + MAX_WBITS;
constexpr int kZlibFrame = MAX_WBITS;
constexpr int kNoFrame = -MAX_WBITS;

struct EndInflate {
  void operator()(z_stream* stream) const {
    inflateEnd(stream);
    delete stream;
  }
};

struct EndBrotli {
  void operator()(BrotliDecoderState* state) const { BrotliDecoderDestroyInstance(state); }
};

std::string word_of(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  auto begin = std::min(text.find_first_not_of(kBlanks), text.size());
  std::string word(text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin));
  std::ranges::transform(word, word.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; });
  return word;
}

Coding coding_of(std::string_view text) {
  auto word = word_of(text);
  if (word.empty() || word == "identity") return Coding::identity;
  if (word == "gzip" || word == "x-gzip") return Coding::gzip;
  if (word == "br") return Coding::brotli;
  return word == "deflate" ? Coding::deflate : Coding::unknown;
}

// In the order in which they were applied.
std::vector<Coding> codings_of(std::string_view encodings) {
  std::vector<Coding> codings;
  for (;;) {
    auto end = encodings.find(',');
    if (auto coding = coding_of(encodings.substr(0, end)); coding != Coding::identity)
      codings.push_back(coding);
    if (end == std::string_view::npos) return codings;
    encodings.remove_prefix(end + 1);
  }
}

// Some servers send deflate without the frame of zlib that the standard asks for; the first two bytes tell.
int deflate_frame(std::string_view body) {
  if (body.size() < 2) return kZlibFrame;
  auto first = static_cast<unsigned char>(body[0]), second = static_cast<unsigned char>(body[1]);
  return (first & 0x0f) == Z_DEFLATED && (first * 256 + second) % 31 == 0 ? kZlibFrame : kNoFrame;
}

std::expected<std::string, SkipReason> inflate_all(std::string_view body, int frame, std::size_t bytes_max) {
  std::unique_ptr<z_stream, EndInflate> stream(new z_stream{});
  if (inflateInit2(stream.get(), frame) != Z_OK) return std::unexpected(SkipReason::undecodable_encoding);
  stream->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));  // zlib only reads it
  stream->avail_in = static_cast<uInt>(body.size());
  std::string out;
  std::array<char, kPieceBytes> piece;
  for (;;) {
    stream->next_out = reinterpret_cast<Bytef*>(piece.data());
    stream->avail_out = static_cast<uInt>(piece.size());
    int state = inflate(stream.get(), Z_NO_FLUSH);
    auto made = piece.size() - stream->avail_out;
    if (made > bytes_max - out.size()) return std::unexpected(SkipReason::too_large);
    out.append(piece.data(), made);
    if (state == Z_STREAM_END && stream->avail_in == 0) return out;
    // A gzip body may be several members one behind the other.
    bool another = state == Z_STREAM_END && frame == kGzipFrame && inflateReset(stream.get()) == Z_OK;
    if (!another && (state != Z_OK || made == 0)) return std::unexpected(SkipReason::undecodable_encoding);
  }
}

// What the decoder itself may take is bounded by its window, 16 MiB at most.
std::expected<std::string, SkipReason> unbrotli_all(std::string_view body, std::size_t bytes_max) {
  std::unique_ptr<BrotliDecoderState, EndBrotli> state(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr));
  if (!state) return std::unexpected(SkipReason::undecodable_encoding);
  const auto* next_in = reinterpret_cast<const std::uint8_t*>(body.data());
  auto left = body.size();
  std::string out;
  std::array<std::uint8_t, kPieceBytes> piece;
  for (;;) {
    auto* next_out = piece.data();
    auto space = piece.size();
    auto result = BrotliDecoderDecompressStream(state.get(), &left, &next_in, &space, &next_out, nullptr);
    auto made = piece.size() - space;
    if (made > bytes_max - out.size()) return std::unexpected(SkipReason::too_large);
    out.append(reinterpret_cast<const char*>(piece.data()), made);
    if (result == BROTLI_DECODER_RESULT_SUCCESS && left == 0) return out;
    if (result != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
      return std::unexpected(SkipReason::undecodable_encoding);
  }
}

std::expected<std::string, SkipReason> undo(Coding coding, std::string_view body, std::size_t bytes_max) {
  if (coding == Coding::brotli) return unbrotli_all(body, bytes_max);
  return inflate_all(body, coding == Coding::gzip ? kGzipFrame : deflate_frame(body), bytes_max);
}

}  // namespace

std::expected<std::string, SkipReason> decode_content(std::string_view encodings, std::string_view body,
                                                      std::size_t bytes_max) {
  auto codings = codings_of(encodings);
  bool known = std::ranges::find(codings, Coding::unknown) == codings.end() && codings.size() <= kCodingsMax;
  if (!known) return std::unexpected(SkipReason::content_encoding_unsupported);
  if (body.size() > bytes_max) return std::unexpected(SkipReason::too_large);
  std::string decoded(body);
  for (auto coding = codings.rbegin(); coding != codings.rend() && !decoded.empty(); ++coding) {
    auto next = undo(*coding, decoded, bytes_max);
    if (!next) return next;
    decoded = *std::move(next);
  }
  return decoded;
}

}  // namespace oxbow
