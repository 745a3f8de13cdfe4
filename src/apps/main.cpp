#include <fmt/core.h>

#include <cstdlib>
#include <exception>
#include <vector>

#include "apps/cli.hpp"
#include "apps/terminal.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "runtime/failpoint.hpp"
#include "services/control/view.hpp"

namespace oxbow {
namespace {

void add_settings(Cli& cli) {
  cli.app.name("oxbow");
  cli.app.description(
      "Moves a running PostgreSQL database into one of another shape, and proves the two equal.");
  cli.app.fallthrough();
  cli.app.require_subcommand(0, 1);
  cli.app.add_option("--spec", cli.settings.spec_path, "the migration's spec (default: oxbow.yaml)");
  cli.app.add_option("--state", cli.settings.state_directory,
                     "directory of oxbow.db and oxbow.sock (default: that of the spec)");
  cli.app.add_flag("--json", cli.settings.json, "answer in JSON");
  auto set_level = [](const std::string& text) -> std::string {
    auto level = parse_log_level(text);
    if (level) set_log_level(*level);
    return level ? "" : "`" + text + "` is no level; levels are debug, info, warn, error";
  };
  cli.app.add_option("--log", "lowest level that is logged: debug, info, warn, error")
      ->type_name("LEVEL")
      ->check(set_level);
}

// The table of contents.
void add_commands(Cli& cli) {
  add_spec_commands(cli);
  add_up_command(cli);
  add_status_command(cli);
  add_order_commands(cli);
  add_verify_command(cli);
  add_findings_commands(cli);
  add_route_command(cli);
  add_diff_command(cli);
  add_gate_command(cli);
  add_locks_command(cli);
  add_doctor_command(cli);
  add_meta_commands(cli);
}

int report(const Settings& settings, const Error& error) {
  if (settings.json) fmt::print("{}\n", error_json(error));
  std::fflush(stdout);
  fmt::print(stderr, "oxbow: {}\n", to_string(error));
  return exit_code(error.code);
}

// CLI11 says which word it did not expect; we say which one was probably meant.
Error misunderstood(const Cli& cli, const CLI::ParseError& error, const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const auto* command : cli.app.get_subcommands({})) names.push_back(command->get_name());
  std::vector<std::string_view> candidates(names.begin(), names.end());
  bool unknown_command =
      cli.app.get_subcommands().empty() && !words.empty() && !words.front().starts_with("-");
  if (!unknown_command) return {ErrorCode::usage, std::string(error.what()) + "; `oxbow help` tells more"};
  auto nearest = nearest_word(words.front(), candidates);
  return {ErrorCode::usage, fmt::format("there is no command `{}`; {}", words.front(),
                                        nearest.empty() ? "`oxbow help` lists them"
                                                        : fmt::format("did you mean `{}`?", nearest))};
}

Result<int> act(const Cli& cli) {
  try {
    return cli.action();
  } catch (const std::exception& exception) {
    return Err(ErrorCode::internal, "{} (is the running oxbow of another version?)", exception.what());
  }
}

// For tests, which kill the process at a named place.
void arm_failpoint_from_environment() {
  const char* name = std::getenv("OXBOW_FAILPOINT");
  if (name == nullptr) return;
  log_warn("this process will kill itself at failpoint {}", name);
  arm_failpoint(name);
}

int run(int argc, char** argv) {
  arm_failpoint_from_environment();
  Cli cli;
  add_settings(cli);
  add_commands(cli);
  try {
    cli.app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return cli.app.exit(help);
  } catch (const CLI::ParseError& error) {
    return report(cli.settings, misunderstood(cli, error, std::vector<std::string>(argv + 1, argv + argc)));
  }
  if (!cli.action) {
    fmt::print("{}", cli.app.help());
    return exit_code(ErrorCode::usage);
  }
  auto done = act(cli);
  return done ? *done : report(cli.settings, done.error());
}

}  // namespace
}  // namespace oxbow

int main(int argc, char** argv) {
  return oxbow::run(argc, argv);
}
