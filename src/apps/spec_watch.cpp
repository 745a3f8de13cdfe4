#include "apps/spec_watch.hpp"

#include <filesystem>

#include "apps/load_spec.hpp"
#include "base/log.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(500);

// A time that cannot be read is a time, too: the file may be replaced at this moment.
std::filesystem::file_time_type time_of(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::last_write_time(path, ignored);
}

}  // namespace

Task<void> watch_spec(Settings settings, std::string hash, std::function<Status(Spec)> take_over,
                      std::function<void(const Status&)> tell) {
  auto seen = time_of(settings.spec_path);
  while (true) {
    CO_TRY(co_await sleep_for(kLookEvery));
    auto now = time_of(settings.spec_path);
    if (now == seen) continue;
    seen = now;
    auto spec = load_spec(settings);
    bool is_in_force = spec && spec->hash == hash;
    auto taken = !spec ? std::unexpected(spec.error()) : is_in_force ? Status{} : take_over(*spec);
    tell(taken);
    if (is_in_force) continue;
    if (taken) {
      hash = spec->hash;
      log_info("the routes of the changed spec are in force; the rest of it counts from the next start");
    } else {
      log_error("the changed spec is not taken over, the old one stays in force: {}",
                to_string(taken.error()));
    }
  }
}

}  // namespace oxbow
