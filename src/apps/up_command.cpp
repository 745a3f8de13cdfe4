#include <sys/stat.h>

#include <csignal>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <optional>

#include "adapters/http/http_server.hpp"
#include "adapters/postgres/postgres.hpp"
#include "adapters/sqlite/sqlite_exemplars.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/gateway_threads.hpp"
#include "apps/load_spec.hpp"
#include "apps/plane.hpp"
#include "apps/preflight.hpp"
#include "apps/service_manager.hpp"
#include "apps/service_watch.hpp"
#include "apps/spec_watch.hpp"
#include "base/log.hpp"
#include "runtime/log_writer.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/task_group.hpp"
#include "services/control/control_api.hpp"
#include "services/control/service_findings.hpp"
#include "services/pipeline/guard_keeper.hpp"
#include "services/pipeline/known_homes.hpp"

namespace oxbow {
namespace {

namespace asio = boost::asio;

// The first signal asks for an orderly end, the second one does not ask.
class StopSignals {
 public:
  StopSignals(asio::io_context& context, TaskGroup& group)
      : signals_(context, SIGINT, SIGTERM), group_(group) {
    wait();
  }

  bool was_asked() const { return asked_; }
  void forget() { signals_.cancel(); }

 private:
  void wait() {
    signals_.async_wait([this](boost::system::error_code error, int signal) {
      if (error) return;
      if (asked_) std::_Exit(128 + signal);
      asked_ = true;
      log_info("stopping in an orderly way; a second signal stops at once");
      notify_service_manager("STOPPING=1");
      group_.cancel();
      wait();
    });
  }

  asio::signal_set signals_;
  TaskGroup& group_;
  bool asked_ = false;
};

// Whoever has moved the access log away asks for a new one. Nothing else is read again: a changed spec is
// seen by itself.
class ReopenSignal {
 public:
  ReopenSignal(asio::io_context& context, std::function<void()> reopen)
      : signal_(context, SIGHUP), reopen_(std::move(reopen)) {
    wait();
  }

  void forget() { signal_.cancel(); }

 private:
  void wait() {
    signal_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      reopen_();
      wait();
    });
  }

  asio::signal_set signal_;
  std::function<void()> reopen_;
};

// What only a person can mend is said at once. A database that is away may come back, so that is left to the
// pipeline, which tries again.
Status refuse_if_hopeless(Side side, const Status& answer) {
  if (answer) return {};
  auto error = on_side(side, answer.error());
  if (!is_retryable(error.code)) return std::unexpected(std::move(error));
  log_warn("{}; oxbow goes on and tries again every second", to_string(error));
  return {};
}

struct Answers {
  std::optional<Catalog> legacy;
  std::optional<Catalog> new_side;
};

Task<void> ask_legacy(const Spec& spec, Answers& answers) {
  auto source = postgres::make_source_admin(spec.legacy.database, spec.migration);
  answers.legacy = CO_TRY(co_await source->read_catalog());
  co_return Status{};
}

// Another oxbow, perhaps with another store, may be writing there.
Task<void> ask_new_side(const Spec& spec, bool wants_catalog, Answers& answers) {
  auto target = postgres::make_target_admin(spec.new_side.database, spec.migration);
  CO_TRY(co_await target->lock());
  if (wants_catalog) answers.new_side = CO_TRY(co_await target->read_catalog());
  co_return Status{};
}

// Once rows were copied, a table that no longer fits is a change during the migration: the pipeline reports
// it, and for that oxbow must be up. Returns what was found out meanwhile.
Result<DataFacts> refuse_if_unfit(const Spec& spec, SqliteStore& store) {
  bool wants_catalogs = !TRY(has_begun(store));
  Answers answers;
  TRY(refuse_if_hopeless(Side::legacy, run_blocking(ask_legacy(spec, answers))));
  TRY(refuse_if_hopeless(Side::new_side, run_blocking(ask_new_side(spec, wants_catalogs, answers))));
  if (answers.legacy && answers.new_side) TRY(make_plan(spec, *answers.legacy, *answers.new_side));
  DataFacts facts;
  if (answers.legacy) facts.key_kinds = key_kinds(spec, *answers.legacy);
  return facts;
}

// Examples of differences are an aid: without a place for them the gateway works all the same.
std::unique_ptr<SqliteExemplars> open_exemplars(const Settings& settings) {
  auto opened = SqliteExemplars::open(settings.exemplars_path(), {});
  if (!opened) {
    log_warn("examples of differences are not kept: {}", to_string(opened.error()));
    return nullptr;
  }
  if (!opened->complaint.empty()) log_warn("{}", opened->complaint);
  return std::move(opened->store);
}

// A spec that is not what is in force would come into force unasked with the next start.
void note_spec(FindingStore& findings, const Spec& spec, const Status& taken) {
  bool waits = !taken && taken.error().code == ErrorCode::incomplete;
  Status noted;
  if (taken) {
    auto closed =
        findings.close({.kind = FindingKind::spec_not_taken}, "what the file says is in force", wall_now());
    if (!closed) noted = std::unexpected(closed.error());
  } else {
    noted = findings.record(
        {.kind = FindingKind::spec_not_taken,
         .entity = {},
         .table = {},
         .key = spec.file,
         .sentence =
             fmt::format("{} was changed and is not taken over{}, so the one before stays in "
                         "force{}",
                         spec.file, waits ? " yet" : "",
                         waits ? " until then" : "; the next start reads the file again, so mend it before"),
         .detail = to_string(taken.error()),
         .owner = spec.owners.coexistence},
        wall_now());
  }
  if (!noted) log_warn("a finding about the spec could not be kept: {}", to_string(noted.error()));
}

// Where a database does not answer, its stream asks again before it begins.
Status refuse_other_tables(const Spec& spec, const Lifecycle& lifecycle) {
  for (const auto& entity : spec.entities) {
    bool any_there = std::ranges::any_of(lifecycle.cohorts, [&](const auto& cohort) {
      return cohort.first.entity == entity.name && authority(cohort.second.state) == Side::new_side;
    });
    for (auto side : {Side::legacy, Side::new_side}) {
      if (!any_there) continue;
      const auto& database = side == Side::legacy ? spec.legacy.database : spec.new_side.database;
      auto changes = run_blocking([&]() -> Task<TableChanges> {
        auto guards = postgres::make_guards(database, spec.migration, side);
        co_return co_await guards->compare_tables(entity.name, tables_of_entity(spec, entity.name, side));
      }());
      if (!changes) continue;
      auto contradicts = contradiction(entity, side, *changes);
      if (contradicts) return Err(ErrorCode::illegal_transition, "{}", *contradicts);
    }
  }
  return {};
}

// All of it is found good before anything is taken over. The journal comes first: whatever happens between
// the two, a start takes the file over as a whole.
Task<void> take_over_spec(ControlService& service, GatewayThreads* gateway, Spec changed) {
  bool has_gateway = gateway != nullptr;
  if (has_gateway != changed.gateway.has_value())
    co_return Err(ErrorCode::illegal_transition, "it has {}; that counts from the next start",
                  has_gateway ? "no `gateway` any more" : "a `gateway` now");
  GatewayThreads::Prepared prepared;
  if (has_gateway) prepared = CO_TRY(GatewayThreads::prepare(changed, service.facts()));
  CO_TRY(co_await service.take_over(changed));
  if (has_gateway) gateway->take_over(changed, std::move(prepared), service.lifecycle(), service.facts());
  co_return Status{};
}

// Everything that works while oxbow is up. The first part that fails brings all down; what is in the
// databases and in the journal is enough to go on from.
Status run(const Settings& settings, Spec& spec, SqliteStore& store, DataFacts known) {
  asio::io_context context(1);
  auto executor = context.get_executor();
  BeatBoard beats;
  auto data = make_plane(executor, spec, store, beats, std::move(known));
  std::unique_ptr<SqliteExemplars> exemplars;
  std::unique_ptr<GatewayThreads> gateway;
  if (spec.gateway) {
    exemplars = open_exemplars(settings);
    gateway = TRY(GatewayThreads::open(spec, exemplars.get(), beats));
  }
  auto publish = [&gateway](const Lifecycle& lifecycle, const DataFacts& facts) {
    if (gateway) gateway->publish(lifecycle, facts);
  };
  auto service = TRY(ControlService::open(executor, {spec, store, store, *data.plane, wall_now, publish,
                                                     gateway ? &gateway->gateway() : nullptr}));
  TRY(refuse_other_tables(spec, service->lifecycle()));
  publish(service->lifecycle(), service->facts());
  ControlApi api(*service);
  auto answer = [&api](HttpRequest request) { return api.handle(std::move(request)); };
  auto server = TRY(HttpServer::listen(executor, settings.socket_path(), answer));

  TaskGroup group(executor);
  StopSignals signals(context, group);
  ReopenSignal reopening(context, [&gateway] {
    if (gateway) gateway->reopen_access_log();
  });
  group.spawn(data.run());
  group.spawn(service->run());
  group.spawn(server->run());
  auto tell = [&](const Status& taken) { note_spec(store, spec, taken); };
  auto take_over = [&](Spec changed) { return take_over_spec(*service, gateway.get(), std::move(changed)); };
  group.spawn(watch_spec(settings, spec.hash, take_over, tell));
  if (gateway) {
    group.spawn(watch_services(
        store, [&gateway, &spec] { return service_findings(gateway->gateway().requests(), spec.owners); }));
  }
  Status outcome;
  asio::co_spawn(context, group.wait(), [&](std::exception_ptr, Status ended) {
    outcome = std::move(ended);
    signals.forget();
    reopening.forget();
    context.stop();  // connections that rest have timers, which are nothing to wait for
  });
  log_info("{} is up; the control API is at {}", spec.migration, settings.socket_path());
  if (gateway) gateway->start();
  notify_service_manager("READY=1");
  context.run();
  gateway.reset();
  if (signals.was_asked() && !outcome && outcome.error().code == ErrorCode::cancelled) outcome = {};
  log_info("{} is down", spec.migration);
  return outcome;
}

Result<int> up(const Settings& settings) {
  // A broken pipe or a file that may not grow is an error of the call that met it; who asks for a new access
  // log before there is one has it anyway.
  std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  // The store's findings quote rows, which are nobody else's business.
  ::umask(0077);
  LogWriter log;
  auto spec = TRY(load_spec(settings));
  auto store = TRY(SqliteStore::open(settings.store_path()));
  note_spec(*store, spec, {});
  auto known = TRY(refuse_if_unfit(spec, *store));
  TRY(run(settings, spec, *store, std::move(known)));
  return 0;
}

}  // namespace

void add_up_command(Cli& cli) {
  cli.add("up", "run the migration in the foreground, until SIGINT or SIGTERM",
          [&cli] { return up(cli.settings); });
}

}  // namespace oxbow
