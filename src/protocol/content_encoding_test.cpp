#include "protocol/content_encoding.hpp"

#include <brotli/encode.h>
#include <gtest/gtest.h>
#include <zlib.h>

namespace oxbow {
namespace {

constexpr std::size_t kBytesMax = 1 << 20;

std::string squeezed(std::string_view text, int frame) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, frame, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string gzip(std::string_view text) {
  return squeezed(text, 31);
}
std::string zlib(std::string_view text) {
  return squeezed(text, 15);
}

std::string brotli(std::string_view text) {
  std::string out(BrotliEncoderMaxCompressedSize(text.size()) + 64, '\0');
  auto size = out.size();
  EXPECT_TRUE(BrotliEncoderCompress(5, BROTLI_MAX_WINDOW_BITS, BROTLI_MODE_TEXT, text.size(),
                                    reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                                    reinterpret_cast<std::uint8_t*>(out.data())));
  out.resize(size);
  return out;
}

std::string decoded(std::string_view encodings, std::string_view body, std::size_t bytes_max = kBytesMax) {
  auto text = decode_content(encodings, body, bytes_max);
  return text ? *text : std::string(name(text.error()));
}

TEST(ContentEncoding, IsUndone) {
  EXPECT_EQ(decoded("", "plain"), "plain");
  EXPECT_EQ(decoded("identity", "plain"), "plain");
  EXPECT_EQ(decoded("gzip", gzip("squeezed")), "squeezed");
  EXPECT_EQ(decoded(" X-GZIP ", gzip("squeezed")), "squeezed");
  EXPECT_EQ(decoded("deflate", zlib("squeezed")), "squeezed");
  EXPECT_EQ(decoded("deflate", squeezed("squeezed", -15)), "squeezed");
  EXPECT_EQ(decoded("deflate, gzip", gzip(zlib("twice"))), "twice");
  EXPECT_EQ(decoded("gzip", gzip("one,") + gzip("two")), "one,two");
  EXPECT_EQ(decoded("gzip", gzip("")), "");
  EXPECT_EQ(decoded("br", brotli("squeezed")), "squeezed");
  EXPECT_EQ(decoded("BR, gzip", gzip(brotli("twice"))), "twice");
  EXPECT_EQ(decoded("br", brotli("")), "");
  EXPECT_EQ(decoded("gzip", ""), "");  // an answer to HEAD, or a 304
}

TEST(ContentEncoding, SaysWhyItIsNotUndone) {
  EXPECT_EQ(decoded("compress", "x"), "content_encoding_unsupported");
  EXPECT_EQ(decoded("gzip, zstd", "x"), "content_encoding_unsupported");
  EXPECT_EQ(decoded("gzip,gzip,gzip,gzip,gzip", "x"), "content_encoding_unsupported");
  EXPECT_EQ(decoded("gzip", "no gzip at all"), "undecodable_encoding");
  EXPECT_EQ(decoded("deflate", "no deflate"), "undecodable_encoding");
  EXPECT_EQ(decoded("gzip", gzip("x") + "behind"), "undecodable_encoding");
  EXPECT_EQ(decoded("br", "no brotli at all"), "undecodable_encoding");
  EXPECT_EQ(decoded("br", brotli("x") + "behind"), "undecodable_encoding");
  for (const auto& [coding, whole] :
       {std::pair("gzip", gzip("cut off somewhere")), {"br", brotli("cut off somewhere")}})
    for (std::size_t size = 1; size < whole.size(); ++size)
      EXPECT_EQ(decoded(coding, whole.substr(0, size)), "undecodable_encoding") << coding << " " << size;
}

TEST(ContentEncoding, EndsAtTheBound) {
  EXPECT_EQ(decoded("gzip", gzip("12345"), 30), "12345");
  EXPECT_EQ(decoded("", "12345", 4), "too_large");
  auto bomb = gzip(std::string(50 << 20, '0'));
  EXPECT_LT(bomb.size(), 60'000u);
  EXPECT_EQ(decoded("gzip", bomb), "too_large");
  EXPECT_EQ(decoded("gzip, gzip", gzip(bomb)), "too_large");
  auto smaller = brotli(std::string(50 << 20, '0'));
  EXPECT_LT(smaller.size(), 1000u);
  EXPECT_EQ(decoded("br", smaller), "too_large");
  EXPECT_EQ(decoded("br, br", brotli(smaller)), "too_large");
}

TEST(ContentEncoding, ExactlyTheBoundIsNotTooLarge) {
  std::string text(100'000, 'x');
  EXPECT_EQ(decoded("gzip", gzip(text), text.size()), text);
  EXPECT_EQ(decoded("gzip", gzip(text), text.size() - 1), "too_large");
  EXPECT_EQ(decoded("br", brotli(text), text.size()), text);
  EXPECT_EQ(decoded("br", brotli(text), text.size() - 1), "too_large");
}

}  // namespace
}  // namespace oxbow
