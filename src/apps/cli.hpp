// The command line as a whole: settings that every command shares, and the action that parsing has chosen.
// Each command family adds itself with one function; main.cpp lists them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "base/result.hpp"

namespace oxbow {

// Where the migration lives and how to speak.
struct Settings {
  std::string spec_path = "oxbow.yaml";
  std::string state_directory;  // empty: that of the spec
  bool json = false;

  std::string store_path() const;
  std::string exemplars_path() const;
  std::string socket_path() const;
};

struct Cli {
  CLI::App app;
  Settings settings;
  std::function<Result<int>()> action;  // returns the exit code; an error has its own

  // A command that runs `act` once it was chosen. `act` lives as long as the Cli.
  CLI::App* add(const std::string& name, const std::string& purpose, std::function<Result<int>()> act);
};

// For options that are numbers: why the text is no whole number from 0 on; empty if it is one.
std::string check_count(const std::string& text);

void add_spec_commands(Cli& cli);      // init, check, schema
void add_up_command(Cli& cli);         // up
void add_status_command(Cli& cli);     // status
void add_order_commands(Cli& cli);     // advance, rollback, halt, pause, resume, rate
void add_verify_command(Cli& cli);     // verify
void add_findings_commands(Cli& cli);  // findings, quarantine, why, audit
void add_route_command(Cli& cli);      // route
void add_diff_command(Cli& cli);       // diff
void add_gate_command(Cli& cli);       // gate
void add_locks_command(Cli& cli);      // locks
void add_doctor_command(Cli& cli);     // doctor
void add_meta_commands(Cli& cli);      // help, completion, version

}  // namespace oxbow
