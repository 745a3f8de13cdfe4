// The first byte chooses an encoding, the rest is taken for a body in it. Nothing grows over the bound.
#include <array>
#include <cstdint>

#include "base/assert.hpp"
#include "protocol/content_encoding.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kBytesMax = 1 << 16;
  constexpr std::array<std::string_view, 5> kEncodings = {"gzip", "deflate", "deflate, gzip", "br",
                                                          "br, gzip"};
  if (size == 0) return 0;
  auto text = oxbow::decode_content(kEncodings[data[0] % kEncodings.size()],
                                    {reinterpret_cast<const char*>(data) + 1, size - 1}, kBytesMax);
  OXBOW_ASSERT(!text || text->size() <= kBytesMax, "{} bytes", text->size());
  return 0;
}
