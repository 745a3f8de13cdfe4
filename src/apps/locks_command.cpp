#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "adapters/postgres/postgres.hpp"
#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/journal_on_disk.hpp"
#include "apps/load_spec.hpp"
#include "apps/locks_page.hpp"
#include "apps/preflight.hpp"
#include "model/course.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

json::value pid_or_null(std::int64_t pid) {
  return pid == 0 ? json::value() : json::value(pid);
}

json::value age_or_null(const std::optional<Duration>& age) {
  return age ? json::value(seconds(*age)) : json::value();
}

// Who of the entity writes on one side, and the cohorts whose rows it is known to have written.
struct Writer {
  WriterAtWork at_work;
  std::set<std::size_t> cohorts;
  bool keeps_guards_off = false;  // a table that he holds has none yet
};

// Asks both databases by itself, so that it answers while `oxbow up` does not.
class LocksReport {
 public:
  // `lifecycle` says which handovers are under way.
  LocksReport(const Spec& spec, const Lifecycle& lifecycle) : spec_(spec), lifecycle_(lifecycle) {}

  Task<json::value> read() {
    for (auto side : {Side::legacy, Side::new_side}) {
      auto read = co_await read_side(side);
      if (!read) co_return std::unexpected(on_side(side, read.error()));
    }
    co_return json::value{{"guards", std::move(guards_)},
                          {"writers", std::move(writers_)},
                          {"waits", std::move(waits_)},
                          {"blocked", std::move(blocked_)},
                          {"unknown", std::move(unknown_)}};
  }

 private:
  Task<void> read_side(Side side) {
    const auto& database = database_of(side);
    if (auto role = CO_TRY(co_await postgres::role_without_sight(database, spec_.migration)))
      unknown_.push_back(json::value(fmt::format(
          "{0}: since when sessions of others are at work, and whether they are idle, is hidden from role "
          "{1}, so that shows as `?`: run GRANT pg_read_all_stats TO {2}; there",
          name(side), *role, quote_identifier(*role))));
    auto guards = postgres::make_guards(database, spec_.migration, side);
    for (const auto& entity : spec_.entities) CO_TRY(co_await read_entity(side, entity, *guards));
    for (auto course : {Course::there, Course::back}) {
      auto stream = stream_name(spec_.migration, course);
      auto watch = postgres::make_session_watch(database, stream);
      for (const auto& wait : CO_TRY(co_await watch->read_waits())) {
        waits_.push_back({{"side", name(side)},
                          {"pid", pid_or_null(wait.pid)},
                          {"who", wait.who},
                          {"age_seconds", age_or_null(wait.age)},
                          {"idle_in_transaction", wait.idle_in_transaction}});
      }
      for (const auto& session : CO_TRY(co_await postgres::list_blocked(database, stream))) {
        blocked_.push_back({{"side", name(side)},
                            {"pid", session.pid},
                            {"who", session.who},
                            {"age_seconds", age_or_null(session.age)},
                            {"waits_for", session.waits_for}});
      }
    }
    co_return Status{};
  }

  Task<void> read_entity(Side side, const EntitySpec& entity, Guards& guards) {
    auto states = CO_TRY(co_await guards.read(entity.name));
    auto handovers = handovers_of(entity);
    states.resize(std::min(states.size(), entity.cohorts.size()));
    std::vector<Writer> writers;
    if (!handovers.empty()) {
      auto found = CO_TRY(co_await postgres::list_writers_without_guard(
          database_of(side), spec_.migration, side, entity.name, tables_of(entity, side)));
      for (auto& at_work : found) writers.push_back({std::move(at_work), {}, true});
    }
    if (!states.empty())
      for (auto& at_work : CO_TRY(co_await guards.writers(entity.name)))
        find_or_add(writers, std::move(at_work));
    for (std::size_t i = 0; i < states.size(); ++i) {
      guards_.push_back({{"entity", entity.name},
                         {"cohort", entity.cohorts[i].name},
                         {"side", name(side)},
                         {"mode", name(states[i].mode)},
                         {"epoch", states[i].epoch}});
      auto of_cohort =
          CO_TRY(co_await guards.writers_of(entity.name, CohortId(static_cast<std::uint32_t>(i))));
      for (auto& at_work : of_cohort) find_or_add(writers, std::move(at_work)).cohorts.insert(i);
    }
    for (const auto& writer : writers) writers_.push_back(value_of(side, entity, handovers, states, writer));
    co_return Status{};
  }

  const std::string& database_of(Side side) const {
    return side == Side::legacy ? spec_.legacy.database : spec_.new_side.database;
  }

  static std::vector<TableName> tables_of(const EntitySpec& entity, Side side) {
    std::vector<TableName> tables;
    for (const auto& table : entity.tables)
      tables.push_back(side == Side::legacy ? table.legacy : table.new_side);
    return tables;
  }

  // Cohorts on their way, before the flip; by their places.
  std::set<std::size_t> handovers_of(const EntitySpec& entity) const {
    std::set<std::size_t> found;
    for (std::size_t i = 0; i < entity.cohorts.size(); ++i) {
      auto life = lifecycle_.cohorts.find({entity.name, entity.cohorts[i].name});
      if (life != lifecycle_.cohorts.end() && changes_hands(life->second) && !life->second.settling)
        found.insert(i);
    }
    return found;
  }

  static Writer& find_or_add(std::vector<Writer>& writers, WriterAtWork at_work) {
    auto known = std::ranges::find(writers, at_work.transaction, [](const Writer& each) -> const auto& {
      return each.at_work.transaction;
    });
    if (known == writers.end()) known = writers.insert(known, {std::move(at_work), {}});
    return *known;
  }

  // Until all guards are on, whoever holds a table without is waited for; near, whoever writes the entity's
  // tables, unless it came later than the handover; fenced, who has written rows of the cohort.
  static json::value value_of(Side side, const EntitySpec& entity, const std::set<std::size_t>& handovers,
                              const std::vector<GuardState>& states, const Writer& writer) {
    json::array cohorts, waited_for_by;
    for (std::size_t i = 0; i < entity.cohorts.size(); ++i) {
      auto mode = i < states.size() ? states[i].mode : GuardMode::open;
      bool wrote = writer.cohorts.contains(i);
      if (wrote) cohorts.push_back(json::value(entity.cohorts[i].name));
      bool is_waited_for = (writer.keeps_guards_off && handovers.contains(i)) || mode == GuardMode::near ||
                           (mode == GuardMode::fenced && wrote);
      if (is_waited_for) waited_for_by.push_back(json::value(entity.name + "/" + entity.cohorts[i].name));
    }
    return {{"side", name(side)},
            {"entity", entity.name},
            {"cohorts", std::move(cohorts)},
            {"transaction", writer.at_work.transaction},
            {"pid", pid_or_null(writer.at_work.pid)},
            {"who", writer.at_work.who},
            {"age_seconds", age_or_null(writer.at_work.age)},
            {"idle_in_transaction", writer.at_work.idle_in_transaction},
            {"keeps_guards_off", writer.keeps_guards_off},
            {"waited_for_by", std::move(waited_for_by)}};
  }

  const Spec& spec_;
  const Lifecycle& lifecycle_;
  json::array guards_, writers_, waits_, blocked_, unknown_;
};

Task<json::value> read_locks(const Spec& spec, const Lifecycle& lifecycle) {
  LocksReport report(spec, lifecycle);
  co_return co_await report.read();
}

Result<int> show_locks(const Settings& settings) {
  auto spec = TRY(load_spec(settings));
  auto journal = lifecycle_on_disk(settings);
  auto lifecycle = journal ? journal->value_or(Lifecycle()) : Lifecycle();
  auto locks = TRY(run_blocking(read_locks(spec, lifecycle)));
  if (!journal)
    locks.at("unknown").as_array().push_back(json::value(fmt::format(
        "which handovers put guards on at this moment is not known: {}", to_string(journal.error()))));
  if (settings.json) {
    fmt::print("{}\n", json::serialize(locks));
  } else {
    fmt::print("{}", locks_page(locks, Paint::for_stdout()));
  }
  return 0;
}

}  // namespace

void add_locks_command(Cli& cli) {
  cli.add("locks", "who is kept from writing what, and whom handovers wait for; asks both databases",
          [&cli] { return show_locks(cli.settings); });
}

}  // namespace oxbow
