#include "apps/load_spec.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "adapters/yaml/yaml_reader.hpp"
#include "core/spec/parse.hpp"
#include "runtime/real_clock.hpp"
#include "services/gateway/routing.hpp"

namespace oxbow {
namespace {

std::optional<std::string> from_environment(std::string_view name) {
  if (const char* value = std::getenv(std::string(name).c_str())) return value;
  return std::nullopt;
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kSpecBytesMax + 1, '\0');  // more than a spec may have is not looked at
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return Err(ErrorCode::spec_unreadable,
               "{}: {}; name another file with --spec, or write one with `oxbow init --legacy URL --new URL`",
               path, std::strerror(errno));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

Result<Spec> load_spec(const Settings& settings) {
  auto text = TRY(read_file(settings.spec_path));
  auto root = TRY(read_yaml(text, settings.spec_path));
  auto parsed = parse_spec(root, text, from_environment);
  if (!parsed.spec) return std::unexpected(to_error(parsed.mistakes, settings.spec_path));
  parsed.spec->file = settings.spec_path;
  TRY(compile_routes(*parsed.spec, {}, std::chrono::floor<std::chrono::days>(wall_now())));
  return *std::move(parsed.spec);
}

}  // namespace oxbow
