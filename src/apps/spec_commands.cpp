#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "adapters/postgres/postgres.hpp"
#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/load_spec.hpp"
#include "apps/preflight.hpp"
#include "apps/terminal.hpp"
#include "core/spec/draft.hpp"
#include "core/spec/schema.hpp"
#include "services/pipeline/plan.hpp"

namespace oxbow {
namespace {

Result<int> print_schema() {
  fmt::print("{}", json_schema());
  return 0;
}

Status refuse_existing(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return {};
  return Err(ErrorCode::usage, "{} exists and is not overwritten; name another file with --spec", path);
}

Status write_new_file(const std::string& path, std::string_view text) {
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return Err(ErrorCode::usage, "{} cannot be written: {}", path, std::strerror(errno));
  bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (::close(file) == 0 && written) return {};
  auto failure = Err(ErrorCode::store_full, "{} cannot be written: {}", path, std::strerror(errno));
  ::unlink(path.c_str());
  return failure;
}

Task<Catalog> catalog_of(std::unique_ptr<Admin> admin) {
  co_return co_await admin->read_catalog();
}

Result<Catalog> ask(Side side, std::unique_ptr<Admin> admin) {
  auto catalog = run_blocking(catalog_of(std::move(admin)));
  if (catalog) return catalog;
  auto error = on_side(side, catalog.error());
  if (error.code == ErrorCode::spec_invalid) error.code = ErrorCode::usage;  // there is no spec yet
  return std::unexpected(std::move(error));
}

struct InitCommand {
  const Settings& settings;
  std::string legacy = {};
  std::string new_side = {};

  Result<int> operator()() const {
    TRY(refuse_existing(settings.spec_path));
    auto legacy_catalog = TRY(ask(Side::legacy, postgres::make_source_admin(legacy, "init")));
    auto new_catalog = TRY(ask(Side::new_side, postgres::make_target_admin(new_side, "init")));
    TRY(write_new_file(settings.spec_path, draft_spec(legacy_catalog, new_catalog, legacy, new_side)));
    fmt::print("{} is written; decide what is marked DECIDE, then run `oxbow check --connect`\n",
               settings.spec_path);
    return 0;
  }
};

struct CheckCommand {
  const Settings& settings;
  bool connect = false;

  Result<int> operator()() const {
    auto spec = TRY(load_spec(settings));
    if (connect) return ask(spec);
    std::size_t tables = 0;
    for (const auto& entity : spec.entities) tables += entity.tables.size();
    if (settings.json) {
      fmt::print("{}\n", to_json({}));
    } else {
      fmt::print("{}: no mistakes; entities: {}, tables: {}\n", settings.spec_path, spec.entities.size(),
                 tables);
    }
    return 0;
  }

 private:
  // Rows are tried once nothing else stands in the way.
  Result<int> ask(const Spec& spec) const {
    auto preflight = TRY(ask_databases(settings, spec));
    if (preflight.refusals() == 0 && preflight.plan) {
      auto refused = TRY(try_all_rows(spec, preflight, stdout_is_terminal() && !settings.json));
      preflight.items.insert(preflight.items.end(), refused.begin(), refused.end());
    }
    auto verdict = verdict_on(preflight, spec);
    if (settings.json) {
      fmt::print("{}\n", to_json(preflight));
      return verdict ? 0 : exit_code(verdict.error().code);
    }
    for (const auto& item : preflight.items)
      if (item.verdict != PreflightItem::Verdict::ok) fmt::print("{}", item_lines(item, settings.spec_path));
    TRY(verdict);
    report(preflight);
    return 0;
  }

  // Nothing, or what to say behind a column that does not come back.
  static std::string_view way_back(const ColumnReport& column) {
    bool comes_back = column.loss == Loss::none || column.loss == Loss::forward;
    if (comes_back || column.why.contains("no way back")) return "";
    return column.legacy.empty() ? "; not brought back" : "; no way back";
  }

  // What is not carried both ways as it is; the rest needs no words.
  static void report(const Preflight& preflight) {
    for (const auto& table : preflight.plan->tables) {
      fmt::print("{} -> {}: columns that are mapped or left behind: {}\n", to_string(table.mapping.source),
                 to_string(table.mapping.target.name), table.mapping.report.size());
      for (const auto& column : table.mapping.report) {
        if (column.loss == Loss::none) continue;
        bool both = !column.legacy.empty() && !column.new_side.empty();
        fmt::print("    {}{}{}: {}{}{}{}\n", column.legacy, both ? " -> " : "", column.new_side, column.how,
                   way_back(column), column.why.empty() ? "" : "; ", column.why);
      }
    }
    for (const auto& room : preflight.head_rooms) fmt::print("{}\n", room.sentence);
    fmt::print("{}\n", set_up_sentences(*preflight.plan).back());
    auto unknown = preflight.count(PreflightItem::Verdict::unknown);
    if (unknown == 0) {
      fmt::print("both databases are ready\n");
    } else {
      fmt::print("nothing that was found stands in the way; {} of the above could not be found out\n",
                 unknown);
    }
  }
};

}  // namespace

void add_spec_commands(Cli& cli) {
  auto init = std::make_shared<InitCommand>(InitCommand{cli.settings});
  auto* init_app = cli.add("init", "write a spec from two live databases, every open decision marked",
                           [init] { return (*init)(); });
  init_app->add_option("--legacy", init->legacy, "the legacy database")->required()->type_name("URL");
  init_app->add_option("--new", init->new_side, "the new database")->required()->type_name("URL");

  auto check = std::make_shared<CheckCommand>(CheckCommand{cli.settings});
  auto* check_app = cli.add("check", "look for mistakes in the spec", [check] { return (*check)(); });
  check_app->add_flag("--connect", check->connect,
                      "ask both databases, too: settings, grants, keys, types, rows, disks");

  cli.add("schema", "print the JSON Schema of specs, for editors", print_schema);
}

}  // namespace oxbow
