#include "apps/plane.hpp"

#include <cstdlib>

#include "adapters/postgres/postgres.hpp"
#include "base/log.hpp"
#include "runtime/real_clock.hpp"
#include "services/pipeline/finding_book.hpp"
#include "services/pipeline/pipeline.hpp"

namespace oxbow {
namespace {

std::string database_of(const Spec& spec, Side side) {
  return side == Side::legacy ? spec.legacy.database : spec.new_side.database;
}

StreamPorts ports_of(const Spec& spec, Course course) {
  auto source = database_of(spec, source_of(course));
  auto target = database_of(spec, target_of(course));
  auto stream = stream_name(spec.migration, course);
  StreamPorts ports;
  ports.source_admin = [=] { return postgres::make_source_admin(source, stream); };
  ports.target_admin = [=] { return postgres::make_target_admin(target, stream); };
  ports.snapshot_reader = [=](Side side) {
    return postgres::make_snapshot_reader(side == source_of(course) ? source : target, stream);
  };
  ports.target_writer = [=](int lane) { return postgres::make_target_writer(target, stream, lane); };
  ports.log_stream = [=](Lsn from, LargeTransactions large) {
    return postgres::make_log_stream(source, stream, from, large);
  };
  return ports;
}

PipelinePorts ports_of(const Spec& spec) {
  PipelinePorts ports;
  auto migration = spec.migration;
  auto on = [legacy = spec.legacy.database, new_side = spec.new_side.database](Side side) {
    return side == Side::legacy ? legacy : new_side;
  };
  ports.stream = [&spec](Course course) { return ports_of(spec, course); };
  ports.session_watch = [=](Side side) { return postgres::make_session_watch(on(side), migration); };
  ports.guards = [=](Side side) { return postgres::make_guards(on(side), migration, side); };
  ports.sequences = [=](Side side) { return postgres::make_sequences(on(side), migration); };
  ports.reader_search = [=] {
    return postgres::make_reader_search(on(Side::legacy), on(Side::new_side), migration);
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
                        BeatBoard& beats, DataFacts known) {
  auto book = std::make_shared<FindingBook>(executor, findings, wall_now);
  auto keep = [book](Finding finding) { book->report(std::move(finding)); };
  auto close = [book](const FindingSelection& which, const std::string& ending) {
    book->close(which, ending);
  };
  auto pipeline = std::make_unique<Pipeline>(std::move(executor), spec, ports_of(spec), keep, close,
                                             std::move(known), protections_from_environment(), beats);
  auto run = [&pipeline = *pipeline] { return pipeline.run(); };
  return {std::move(pipeline), run};
}

}  // namespace oxbow
