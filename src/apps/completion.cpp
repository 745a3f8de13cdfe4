#include "apps/completion.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <vector>

#include "model/state.hpp"

namespace oxbow {
namespace {

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> options;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) options.push_back("--" + name);
  return options;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string names_of(const CLI::App& app) {
  std::string names;
  for (const auto* command : commands_of(app)) names += (names.empty() ? "" : " ") + command->get_name();
  return names;
}

// In single quotes for a shell.
std::string quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4)
    text.replace(at, 1, "'\\''");
  return "'" + text + "'";
}

std::string for_bash(const CLI::App& app) {
  std::string cases;
  for (const auto* command : commands_of(app))
    cases +=
        fmt::format("    {}) words=\"{}\" ;;\n", command->get_name(), fmt::join(options_of(*command), " "));
  return fmt::format(R"(_oxbow() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="" words="" each
  case "$before" in
    --to | --state-of) COMPREPLY=($(compgen -W "{states}" -- "$word")); return ;;
    --spec | --state) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --log) COMPREPLY=($(compgen -W "debug info warn error" -- "$word")); return ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")); return ;;
  esac
  for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case " {names} " in *" $each "*) command="$each"; break ;; esac
  done
  case "$command" in
{cases}    *) words="{names}" ;;
  esac
  COMPREPLY=($(compgen -W "$words {globals}" -- "$word"))
}}
complete -F _oxbow oxbow
)",
                     fmt::arg("states", fmt::join(kStateNames, " ")), fmt::arg("names", names_of(app)),
                     fmt::arg("cases", cases), fmt::arg("globals", fmt::join(options_of(app), " ")));
}

std::string for_zsh(const CLI::App& app) {
  std::string commands, cases;
  for (const auto* command : commands_of(app)) {
    commands += fmt::format("    {}\n", quoted(command->get_name() + ":" + command->get_description()));
    cases +=
        fmt::format("    {}) words=({}) ;;\n", command->get_name(), fmt::join(options_of(*command), " "));
  }
  return fmt::format(R"(#compdef oxbow
_oxbow() {{
  local -a commands words
  commands=(
{commands}  )
  case "${{words[CURRENT-1]}}" in
    --to | --state-of) compadd {states}; return ;;
    --spec | --state) _files; return ;;
  esac
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "${{words[2]}}" in
{cases}  esac
  compadd -- $words {globals}
}}
compdef _oxbow oxbow
)",
                     fmt::arg("commands", commands), fmt::arg("states", fmt::join(kStateNames, " ")),
                     fmt::arg("cases", cases), fmt::arg("globals", fmt::join(options_of(app), " ")));
}

std::string for_fish(const CLI::App& app) {
  std::string script = "complete -c oxbow -f\n";
  for (const auto* command : commands_of(app)) {
    script += fmt::format("complete -c oxbow -n __fish_use_subcommand -a {} -d {}\n", command->get_name(),
                          quoted(command->get_description()));
    for (const auto& option : options_of(*command)) {
      auto values = option == "--to" || option == "--state-of"
                        ? fmt::format(" -xa '{}'", fmt::join(kStateNames, " "))
                        : "";
      script += fmt::format("complete -c oxbow -n '__fish_seen_subcommand_from {}' -l {}{}\n",
                            command->get_name(), option.substr(2), values);
    }
  }
  for (const auto& option : options_of(app))
    script += fmt::format("complete -c oxbow -l {}\n", option.substr(2));
  return script;
}

}  // namespace

std::string completion_script(const CLI::App& app, std::string_view shell) {
  if (shell == "bash") return for_bash(app);
  if (shell == "zsh") return for_zsh(app);
  if (shell == "fish") return for_fish(app);
  return "";
}

}  // namespace oxbow
