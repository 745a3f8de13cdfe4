#include "apps/load_spec.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "adapters/yaml/yaml_reader.hpp"
#include "core/spec/parse.hpp"

namespace oxbow {
namespace {

std::optional<std::string> from_environment(std::string_view name) {
  if (const char* value = std::getenv(std::string(name).c_str())) return value;
  return std::nullopt;
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  if (std::filesystem::is_directory(path)) return Err(ErrorCode::spec_unreadable, "{} is a directory", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Err(ErrorCode::spec_unreadable,
               "{}: {}; name another file with --spec, or write one with `oxbow init --legacy URL --new URL`",
               path, std::strerror(errno));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<Spec> load_spec(const Settings& settings) {
  auto text = TRY(read_file(settings.spec_path));
  auto root = TRY(read_yaml(text, settings.spec_path));
  auto parsed = parse_spec(root, text, from_environment);
  if (parsed.spec) return *std::move(parsed.spec);
  std::string lines;
  for (const auto& mistake : parsed.mistakes) lines += "\n  " + to_string(mistake, settings.spec_path);
  return std::unexpected(Error{code_of(parsed.mistakes), std::move(lines)});
}

}  // namespace oxbow
