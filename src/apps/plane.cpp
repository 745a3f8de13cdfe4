#include "apps/plane.hpp"

#include <cstdlib>

#include "adapters/postgres/postgres.hpp"
#include "base/log.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "services/pipeline/pipeline.hpp"

namespace oxbow {
namespace {

PipelinePorts postgres_ports(const Spec& spec) {
  const auto& legacy = spec.legacy.database;
  const auto& new_side = spec.new_side.database;
  const auto& migration = spec.migration;
  return {
      .source_admin = [=] { return postgres::make_source_admin(legacy, migration); },
      .target_admin = [=] { return postgres::make_target_admin(new_side, migration); },
      .snapshot_reader =
          [=](Side side) {
            return postgres::make_snapshot_reader(side == Side::legacy ? legacy : new_side, migration);
          },
      .target_writer = [=](int lane) { return postgres::make_target_writer(new_side, migration, lane); },
      .log_stream = [=](Lsn from) { return postgres::make_log_stream(legacy, migration, from); },
  };
}

// Tests take a protection away to show what it protects from, or kill the process at a named place.
Protections protections_from_environment() {
  Protections protections;
  if (const char* off = std::getenv("OXBOW_TEST_WITHOUT")) {
    std::string_view name = off;
    protections.fence_by_snapshot = name != "fence_by_snapshot";
    protections.remember_skipped = name != "remember_skipped";
    log_warn("a protection is switched off for a test: {}", name);
  }
  if (const char* name = std::getenv("OXBOW_FAILPOINT")) arm_failpoint(name);
  return protections;
}

}  // namespace

Result<RunningPlane> make_plane(boost::asio::any_io_executor executor, const Spec& spec,
                                FindingStore& findings) {
  auto report = [&findings](Finding finding) {
    auto saved = findings.record(finding, wall_now());
    if (!saved) log_error("a finding could not be saved: {}", to_string(saved.error()));
  };
  auto pipeline = std::make_unique<Pipeline>(executor, spec, postgres_ports(spec), report,
                                             protections_from_environment());
  auto* running = pipeline.get();
  return RunningPlane{std::move(pipeline), [running] { return running->run(); }};
}

}  // namespace oxbow
