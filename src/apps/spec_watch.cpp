#include "apps/spec_watch.hpp"

#include <filesystem>
#include <optional>
#include <utility>

#include "apps/load_spec.hpp"
#include "base/log.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(500);
constexpr Duration kLookAgainEvery = std::chrono::seconds(3);

// A time that cannot be read is a time, too: the file may be replaced at this moment.
std::filesystem::file_time_type time_of(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::last_write_time(path, ignored);
}

}  // namespace

Task<void> watch_spec(Settings settings, std::string hash, std::function<Task<void>(Spec)> take_over,
                      std::function<void(const Status&)> tell) {
  std::filesystem::file_time_type seen{};  // it may have been changed since it was read for the start
  std::optional<Error> told;               // why what the file says is not in force
  auto look_at = monotonic_now();
  Duration pause{};
  while (true) {
    CO_TRY(co_await sleep_for(std::exchange(pause, kLookEvery)));
    auto now = time_of(settings.spec_path);
    // What stood in its way may be over, whatever the file's time.
    if (now == seen && (!told || monotonic_now() < look_at)) continue;
    seen = now;
    look_at = monotonic_now() + kLookAgainEvery;
    auto spec = load_spec(settings);
    bool is_in_force = spec && spec->hash == hash;
    Status taken;
    if (!spec) taken = std::unexpected(spec.error());
    if (spec && !is_in_force) taken = co_await take_over(*spec);
    if (!taken && taken.error().code == ErrorCode::cancelled) co_return taken;
    bool waits = spec && !taken && taken.error().code == ErrorCode::incomplete;
    if (waits) look_at = monotonic_now();
    auto why = taken ? std::nullopt : std::optional(taken.error());
    if (why && why == std::exchange(told, why)) continue;
    told = why;
    tell(taken);
    if (is_in_force) continue;
    if (taken) {
      hash = spec->hash;
      log_info(
          "cohorts, gates, routes and rules of the changed spec are in force; the rest of it counts from the "
          "next "
          "start");
    } else if (waits) {
      log_warn("the changed spec has to wait, the old one stays in force until then: {}",
               taken.error().detail);
    } else {
      log_error("the changed spec is not taken over, the old one stays in force: {}",
                to_string(taken.error()));
    }
  }
}

}  // namespace oxbow
