#include <fmt/core.h>

#include "apps/cli.hpp"
#include "apps/load_spec.hpp"
#include "core/spec/schema.hpp"

namespace oxbow {
namespace {

Result<int> print_schema() {
  fmt::print("{}", json_schema());
  return 0;
}

Result<int> check(const Settings& settings) {
  auto spec = TRY(load_spec(settings));
  std::size_t tables = 0;
  for (const auto& entity : spec.entities) tables += entity.tables.size();
  fmt::print("{}: no mistakes; {} entities, {} tables\n", settings.spec_path, spec.entities.size(), tables);
  return 0;
}

}  // namespace

void add_spec_commands(Cli& cli) {
  cli.add("check", "look for mistakes in the spec", [&cli] { return check(cli.settings); });
  cli.add("schema", "print the JSON Schema of specs, for editors", print_schema);
}

}  // namespace oxbow
