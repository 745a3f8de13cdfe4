#include <fmt/core.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>

#include "adapters/postgres/postgres.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/load_spec.hpp"
#include "apps/preflight.hpp"
#include "apps/removal.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "services/control/journal.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

struct Trace {
  Side side = Side::legacy;
  std::string what;
};

Task<std::vector<Trace>> find_traces(const Spec& spec) {
  std::vector<std::string> entities;
  for (const auto& entity : spec.entities) entities.push_back(entity.name);
  std::vector<Trace> traces;
  for (auto side : {Side::legacy, Side::new_side}) {
    const auto& database = side == Side::legacy ? spec.legacy.database : spec.new_side.database;
    auto found = co_await postgres::list_traces(database, spec.migration, side, entities);
    if (!found) co_return std::unexpected(on_side(side, found.error()));
    for (auto& what : *found) traces.push_back({side, std::move(what)});
  }
  co_return traces;
}

struct DoctorCommand {
  const Settings& settings;
  bool remove = false;
  bool open_both_sides = false;

  Result<int> operator()() const {
    auto spec = TRY(load_spec(settings));
    if (remove) return take_away(spec);
    if (open_both_sides)
      return Err(ErrorCode::usage, "--open-both-sides says how to --remove; add that, too");
    return examine(spec);
  }

 private:
  Result<int> examine(const Spec& spec) const {
    auto preflight = TRY(ask_databases(settings, spec));
    auto traces = TRY(run_blocking(find_traces(spec)));
    auto verdict = verdict_on(preflight, spec);
    if (settings.json) {
      auto answer = json::parse(to_json(preflight)).as_object();
      json::array values;
      for (const auto& [side, what] : traces) values.push_back({{"side", name(side)}, {"what", what}});
      answer["traces"] = std::move(values);
      fmt::print("{}\n", json::serialize(answer));
      return verdict ? 0 : exit_code(verdict.error().code);
    }
    for (const auto& item : preflight.items) fmt::print("{}", item_lines(item, settings.spec_path));
    for (const auto& [side, what] : traces) fmt::print("{:8}{:7}{}\n", "there", name(side), what);
    if (traces.empty()) fmt::print("nothing of this migration is in either database\n");
    TRY(verdict);
    return 0;
  }

  Result<int> take_away(const Spec& spec) const {
    std::unique_ptr<SqliteStore> store;
    std::optional<Journal> journal;
    // Holding the store keeps `oxbow up` away meanwhile.
    if (SqliteStore::exists(settings.store_path())) store = TRY(SqliteStore::open(settings.store_path()));
    if (store) journal = TRY(Journal::open(*store));
    json::array removed;
    auto tell = [&](Side side, const std::string& done) {
      removed.push_back({{"side", name(side)}, {"done", done}});
      if (!settings.json) fmt::print("{:7}{}\n", name(side), done);
    };
    Removal removal(spec, journal ? &*journal : nullptr, open_both_sides, tell);
    TRY(run_blocking(removal.run()));
    failpoint("remove_before_journal");
    TRY(removal.journal_end());
    if (store) TRY(store->close({}, "the migration was taken out of both databases", wall_now()));
    report(removed, removal.left_on_new());
    return 0;
  }

  void report(const json::array& removed, const std::vector<std::string>& left_on_new) const {
    if (settings.json) {
      json::array left(left_on_new.begin(), left_on_new.end());
      fmt::print("{}\n", json::serialize(json::value{{"removed", removed}, {"left_on_new", left}}));
      return;
    }
    if (removed.empty()) fmt::print("nothing of this migration was in either database\n");
    if (!removed.empty()) fmt::print("nothing of this migration is left in either database\n");
    if (left_on_new.empty()) return;
    fmt::print(
        "at home on the new side for good, `fully-cutover`: {}; legacy takes writes of them, too, and "
        "nothing "
        "carries those over\n",
        fmt::join(left_on_new, ", "));
  }
};

}  // namespace

void add_doctor_command(Cli& cli) {
  auto doctor = std::make_shared<DoctorCommand>(DoctorCommand{cli.settings});
  auto* app = cli.add("doctor", "say what both databases need, and what of the migration is in them",
                      [doctor] { return (*doctor)(); });
  app->add_flag("--remove", doctor->remove, "take everything of this migration out of both databases");
  app->add_flag("--open-both-sides", doctor->open_both_sides,
                "with --remove, also where cohorts are at home on the new side: their way back ends, and "
                "legacy takes writes of them that nobody carries over");
}

}  // namespace oxbow
