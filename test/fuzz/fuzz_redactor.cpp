// Any bytes as an answer or a path: what is kept of them is bounded and is text, whatever they are.
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "core/evidence/answer_path.hpp"
#include "core/evidence/redactor.hpp"
#include "core/evidence/shown_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oxbow;
  if (size == 0) return 0;
  static const Redactor redactor({"$.a", "$..b[*]", "$..c", "$.d.*.e", "query.q", "path.p"},
                                 {{"$.a", "z"}, {"$..b", "y"}});
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t bytes_max = data[0];
  for (const auto& shown : {redactor.body(text, bytes_max), redactor.body(text, bytes_max, Side::new_side),
                            redactor.request("GET /{p}", text, bytes_max),
                            redactor.value(text, text, bytes_max), shown_path(text, bytes_max)}) {
    OXBOW_ASSERT(shown.size() <= bytes_max + 3 || shown.starts_with("\"[redacted]\"") ||
                     shown == "[redacted: not JSON]",
                 "{} bytes of {}", shown.size(), bytes_max);
    OXBOW_ASSERT(as_utf8(shown) == shown, "not UTF-8");
  }
  OXBOW_ASSERT(!redactor.hides("$.x") && redactor.hides("$.d.x.e"), "the rules changed");
  return 0;
}
