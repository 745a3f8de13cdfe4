#include <fmt/core.h>

#include <boost/json.hpp>

#include "adapters/postgres/postgres.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/load_spec.hpp"
#include "apps/preflight.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "services/control/journal.hpp"

namespace oxbow {
namespace {

struct Removed {
  std::string side;
  std::vector<std::string> done;
};

// What is gone from the databases is written down as rolled back, so that the journal stays true.
Status journal_removal(EventStore& store) {
  auto journal = TRY(Journal::open(store));
  auto cohorts = journal.lifecycle().cohorts;
  for (const auto& [scope, life] : cohorts) {
    Command rollback{"oxbow", "doctor --remove", Rollback{scope.entity, scope.cohort, State::legacy}};
    auto began = TRY(journal.execute(rollback, wall_now()));
    if (began.empty()) continue;
    TRY(journal.execute({"oxbow", "doctor --remove", EndTransition{scope, std::nullopt}}, wall_now()));
  }
  return {};
}

Task<std::vector<Removed>> remove_from(std::unique_ptr<TargetAdmin> target,
                                       std::unique_ptr<SourceAdmin> source) {
  CO_TRY(co_await target->lock());
  auto from_new = CO_TRY(co_await target->remove());
  failpoint("remove_after_new");
  auto from_legacy = CO_TRY(co_await source->remove());
  co_return std::vector<Removed>{{"new", std::move(from_new)}, {"legacy", std::move(from_legacy)}};
}

struct DoctorCommand {
  const Settings& settings;
  bool remove = false;

  Result<int> operator()() const {
    auto spec = TRY(load_spec(settings));
    return remove ? take_away(spec) : examine(spec);
  }

 private:
  Result<int> examine(const Spec& spec) const {
    auto preflight = TRY(ask_databases(settings, spec));
    auto verdict = verdict_on(preflight, spec);
    if (settings.json) {
      fmt::print("{}\n", to_json(preflight));
      return verdict ? 0 : exit_code(verdict.error().code);
    }
    for (const auto& item : preflight.items) fmt::print("{}", item_lines(item, settings.spec_path));
    TRY(verdict);
    return 0;
  }

  Result<int> take_away(const Spec& spec) const {
    std::unique_ptr<SqliteStore> store;
    // Holding the store keeps `oxbow up` away meanwhile.
    if (SqliteStore::exists(settings.store_path())) store = TRY(SqliteStore::open(settings.store_path()));
    auto target = postgres::make_target_admin(spec.new_side.database, spec.migration);
    auto source = postgres::make_source_admin(spec.legacy.database, spec.migration);
    auto removed = TRY(run_blocking(remove_from(std::move(target), std::move(source))));
    failpoint("remove_before_journal");
    if (store) TRY(journal_removal(*store));
    if (store) TRY(store->close({}, "the migration was taken out of both databases", wall_now()));
    report(removed);
    return 0;
  }

  void report(const std::vector<Removed>& removed) const {
    boost::json::array values;
    for (const auto& [side, done] : removed) {
      for (const auto& line : done) {
        values.push_back({{"side", side}, {"done", line}});
        if (!settings.json) fmt::print("{:7}{}\n", side, line);
      }
    }
    if (settings.json) fmt::print("{}\n", boost::json::serialize(boost::json::value{{"removed", values}}));
    if (!settings.json) fmt::print("nothing of this migration is left in either database\n");
  }
};

}  // namespace

void add_doctor_command(Cli& cli) {
  auto doctor = std::make_shared<DoctorCommand>(DoctorCommand{cli.settings});
  auto* app =
      cli.add("doctor", "say what both databases need, and what they have", [doctor] { return (*doctor)(); });
  app->add_flag("--remove", doctor->remove, "take everything of this migration out of both databases");
}

}  // namespace oxbow
