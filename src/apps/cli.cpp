#include "apps/cli.hpp"

#include <filesystem>

#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

std::string beside_spec(const Settings& settings, std::string_view file) {
  auto directory = settings.state_directory.empty() ? std::filesystem::path(settings.spec_path).parent_path()
                                                    : std::filesystem::path(settings.state_directory);
  return (directory / file).string();
}

}  // namespace

std::string Settings::store_path() const {
  return beside_spec(*this, "oxbow.db");
}
std::string Settings::exemplars_path() const {
  return beside_spec(*this, "exemplars.db");
}
std::string Settings::socket_path() const {
  return beside_spec(*this, "oxbow.sock");
}

CLI::App* Cli::add(const std::string& name, const std::string& purpose, std::function<Result<int>()> act) {
  auto* command = app.add_subcommand(name, purpose);
  command->callback([this, act = std::move(act)] { action = act; });
  return command;
}

std::string check_count(const std::string& text) {
  return parse_count(text) ? "" : "`" + text + "` is no whole number from 0 on";
}

}  // namespace oxbow
