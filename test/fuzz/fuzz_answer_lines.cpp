// Any two texts as answers, split at the first NUL: they are shown without anything that a terminal would
// obey, and laid side by side in both ways.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "apps/answer_lines.hpp"
#include "base/assert.hpp"

namespace {

void expect_harmless(std::string_view text) {
  bool harmless = std::ranges::all_of(
      text, [](char c) { return (static_cast<unsigned char>(c) >= ' ' && c != '\x7f') || c == '\n'; });
  OXBOW_ASSERT(harmless, "a control character reaches the terminal");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oxbow;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto middle = std::min(text.find('\0'), text.size());
  AnswerSheet legacy{"legacy 200", answer_lines(text.substr(0, middle))};
  AnswerSheet new_side{"new 200", answer_lines(text.substr(std::min(middle + 1, text.size())))};
  expect_harmless(side_by_side(legacy, new_side, 60, Paint(false)));
  expect_harmless(unified(legacy, new_side, Paint(false)));
  return 0;
}
