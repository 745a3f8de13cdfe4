#include <fmt/core.h>

#include "apps/cli.hpp"
#include "apps/completion.hpp"

namespace oxbow {
namespace {

Result<int> print_help(const Cli& cli, const std::string& name) {
  if (name.empty()) {
    // App::help() would tell about the command that was chosen, which is this one.
    fmt::print("{}", cli.app.get_formatter()->make_help(&cli.app, "oxbow", CLI::AppFormatMode::Normal));
    return 0;
  }
  for (const auto* command : cli.app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() != name) continue;
    fmt::print("{}", command->help("oxbow"));
    return 0;
  }
  return Err(ErrorCode::usage, "there is no command `{}`; `oxbow help` lists them", name);
}

Result<int> print_completion(const Cli& cli, const std::string& shell) {
  auto script = completion_script(cli.app, shell);
  if (script.empty())
    return Err(ErrorCode::usage, "`{}` is no shell that is known here: bash, zsh, fish", shell);
  fmt::print("{}", script);
  return 0;
}

std::string version_text(const Settings& settings) {
  return settings.json ? "{\"version\":\"" OXBOW_VERSION "\"}" : "oxbow " OXBOW_VERSION;
}

}  // namespace

void add_meta_commands(Cli& cli) {
  auto topic = std::make_shared<std::string>();
  auto* help =
      cli.add("help", "what a command does and takes", [&cli, topic] { return print_help(cli, *topic); });
  help->add_option("COMMAND", *topic, "the command (default: a list of all)");

  auto shell = std::make_shared<std::string>();
  auto* completion = cli.add("completion", "print a completion script for a shell",
                             [&cli, shell] { return print_completion(cli, *shell); });
  completion->add_option("SHELL", *shell, "bash, zsh or fish")->required();

  cli.add("version", "print the version", [&cli]() -> Result<int> {
    fmt::print("{}\n", version_text(cli.settings));
    return 0;
  });
  // Behind all other options, so that --json counts wherever it stands.
  cli.app.set_version_flag("--version", [&cli] { return version_text(cli.settings); }, "print the version");
}

}  // namespace oxbow
