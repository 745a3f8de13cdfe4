// Bytes are taken for a spec file, and the same bytes for an address. A file that is understood is understood
// the same way again; one that is not has a mistake with a place and a sentence.
#include <cstdint>

#include "adapters/yaml/yaml_reader.hpp"
#include "base/assert.hpp"
#include "core/spec/parse.hpp"

namespace {

using namespace oxbow;

std::optional<std::string> environment(std::string_view name) {
  if (name.size() > 3) return std::nullopt;
  return "it's @ \\secret/";
}

void check_file(std::string_view text) {
  auto node = read_yaml(text, "oxbow.yaml");
  if (!node) {
    OXBOW_ASSERT(node.error().code == ErrorCode::spec_unreadable, "{}", to_string(node.error()));
    return;
  }
  auto parsed = parse_spec(*node, text, environment);
  OXBOW_ASSERT(parsed.spec.has_value() == parsed.mistakes.empty(), "a spec or mistakes, not both");
  for (const auto& mistake : parsed.mistakes)
    OXBOW_ASSERT(mistake.mark.line > 0 && !mistake.sentence.empty(), "{}", to_string(mistake, "oxbow.yaml"));
  if (parsed.spec) OXBOW_ASSERT(!parsed.spec->entities.empty(), "a spec without entities");
}

void check_address(std::string_view address) {
  auto expanded = expand_environment(address, environment);
  if (expanded) (void)without_password(*expanded);
  auto shown = without_password(address);
  OXBOW_ASSERT(without_password(shown) == shown, "'{}' still hides something", shown);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_file(text);
  check_address(text.substr(0, text.find('\n')));
  return 0;
}
