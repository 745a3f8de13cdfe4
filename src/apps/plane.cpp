#include "apps/plane.hpp"

#include <cstdlib>

#include "adapters/postgres/postgres.hpp"
#include "base/log.hpp"
#include "runtime/real_clock.hpp"
#include "services/pipeline/finding_book.hpp"
#include "services/pipeline/pipeline.hpp"

namespace oxbow {
namespace {

PipelinePorts ports_of(const Spec& spec) {
  auto legacy = spec.legacy.database;
  auto new_side = spec.new_side.database;
  auto migration = spec.migration;
  PipelinePorts ports;
  ports.source_admin = [=] { return postgres::make_source_admin(legacy, migration); };
  ports.target_admin = [=] { return postgres::make_target_admin(new_side, migration); };
  ports.snapshot_reader = [=](Side side) {
    return postgres::make_snapshot_reader(side == Side::legacy ? legacy : new_side, migration);
  };
  ports.target_writer = [=](int lane) { return postgres::make_target_writer(new_side, migration, lane); };
  ports.log_stream = [=](Lsn from, LargeTransactions large) {
    return postgres::make_log_stream(legacy, migration, from, large);
  };
  ports.session_watch = [=](Side side) {
    return postgres::make_session_watch(side == Side::legacy ? legacy : new_side, migration);
  };
  return ports;
}

// For tests, which take a protection away to show what it protects from.
Protections protections_from_environment() {
  Protections protections;
  if (const char* name = std::getenv("OXBOW_TEST_WITHOUT")) {
    log_warn("this process works without the protection {}", name);
    protections.fence_by_snapshot = std::string_view(name) != "fence_by_snapshot";
    protections.remember_skipped = std::string_view(name) != "remember_skipped";
  }
  return protections;
}

}  // namespace

RunningPlane make_plane(boost::asio::any_io_executor executor, const Spec& spec, FindingStore& findings,
                        DataFacts known) {
  auto book = std::make_shared<FindingBook>(executor, findings, wall_now);
  auto keep = [book](Finding finding) { book->report(std::move(finding)); };
  auto close = [book](const FindingSelection& which, const std::string& ending) {
    book->close(which, ending);
  };
  auto pipeline = std::make_unique<Pipeline>(std::move(executor), spec, ports_of(spec), keep, close,
                                             std::move(known), protections_from_environment());
  auto run = [&pipeline = *pipeline] { return pipeline.run(); };
  return {std::move(pipeline), run};
}

}  // namespace oxbow
