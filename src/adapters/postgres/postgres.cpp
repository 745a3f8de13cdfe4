#include "adapters/postgres/postgres.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include "adapters/postgres/guards.hpp"
#include "adapters/postgres/log_stream.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/reader_search.hpp"
#include "adapters/postgres/row_trial.hpp"
#include "adapters/postgres/sequences.hpp"
#include "adapters/postgres/session_watch.hpp"
#include "adapters/postgres/snapshot_reader.hpp"
#include "adapters/postgres/source_admin.hpp"
#include "adapters/postgres/target_admin.hpp"
#include "adapters/postgres/target_writer.hpp"
#include "adapters/postgres/violation_counter.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow::postgres {
namespace {

ConnectionSettings settings_for(std::string url, const std::string& migration, std::string_view role) {
  return {.url = std::move(url), .application_name = application_name(migration, role)};
}

// Tells the processes of this and other machines apart: where and when this one began.
std::string process_token() {
  static const auto began = static_cast<std::uint64_t>(wall_now().time_since_epoch().count());
  return fmt::format("{:08x}",
                     static_cast<std::uint32_t>(began ^ (static_cast<std::uint64_t>(getpid()) << 20)));
}

}  // namespace

std::unique_ptr<SourceAdmin> make_source_admin(std::string url, std::string migration) {
  return std::make_unique<PgSourceAdmin>(settings_for(std::move(url), migration, "admin"), migration);
}

std::unique_ptr<TargetAdmin> make_target_admin(std::string url, std::string migration) {
  auto settings = settings_for(std::move(url), migration, "lock " + process_token());
  return std::make_unique<PgTargetAdmin>(std::move(settings), migration);
}

std::unique_ptr<SnapshotReader> make_snapshot_reader(std::string url, std::string migration) {
  return std::make_unique<PgSnapshotReader>(settings_for(std::move(url), migration, "reader"));
}

std::unique_ptr<LogStream> make_log_stream(std::string url, std::string migration, Lsn start,
                                           LargeTransactions large) {
  return std::make_unique<PgLogStream>(settings_for(std::move(url), migration, "log"), migration, start,
                                       large);
}

std::unique_ptr<TargetWriter> make_target_writer(std::string url, std::string migration, int lane) {
  return std::make_unique<PgTargetWriter>(
      settings_for(std::move(url), migration, fmt::format("lane {}", lane)), migration, lane);
}

std::unique_ptr<RowTrial> make_row_trial(std::string url, std::string migration) {
  return std::make_unique<PgRowTrial>(settings_for(std::move(url), migration, "trial"));
}

std::unique_ptr<ViolationCounter> make_violation_counter(std::string url, std::string migration,
                                                         Duration time_max) {
  return std::make_unique<PgViolationCounter>(settings_for(std::move(url), migration, "counter"), time_max);
}

std::unique_ptr<Guards> make_guards(std::string url, std::string migration, Side side) {
  return std::make_unique<PgGuards>(settings_for(std::move(url), migration, "guards"), migration, side);
}

std::unique_ptr<Sequences> make_sequences(std::string url, std::string migration) {
  return std::make_unique<PgSequences>(settings_for(std::move(url), migration, "sequences"));
}

std::unique_ptr<SessionWatch> make_session_watch(std::string url, std::string migration) {
  return std::make_unique<PgSessionWatch>(settings_for(std::move(url), migration, "watch"), migration);
}

std::unique_ptr<ReaderSearch> make_reader_search(std::string legacy_url, std::string new_url,
                                                 std::string migration) {
  return std::make_unique<PgReaderSearch>(settings_for(std::move(legacy_url), migration, "readers"),
                                          settings_for(std::move(new_url), migration, "readers"), migration);
}

}  // namespace oxbow::postgres
