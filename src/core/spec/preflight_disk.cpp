#include "core/spec/preflight_disk.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "base/text.hpp"

namespace oxbow {
namespace {

using enum PreflightItem::Verdict;

constexpr std::uint64_t kNoBudget = std::numeric_limits<std::uint64_t>::max();

std::string why_unknown(const ServerFacts& facts) {
  if (facts.data_directory.empty())
    return fmt::format("role {} may not ask where the data is (GRANT pg_read_all_settings TO {};)",
                       facts.user, quote_identifier(facts.user));
  return fmt::format("SQL does not tell, and {} is not on this machine; look at {} there", facts.host,
                     facts.data_directory);
}

// The new tables are taken to be as large as the legacy ones.
PreflightItem judge_copy(const ServerFacts& legacy, const ServerFacts& new_side) {
  auto rows = legacy.bytes_in_scope - std::min(legacy.bytes_in_scope, new_side.bytes_in_scope);
  auto needed = rows + new_side.wal_size_max_bytes;
  auto what = fmt::format("about {} free ({} of tables and indexes, {} of log by max_wal_size)",
                          human_bytes(needed), human_bytes(rows), human_bytes(new_side.wal_size_max_bytes));
  PreflightItem item{.side = Side::new_side};
  if (!new_side.data_disk_free_bytes) {
    item.verdict = unknown;
    item.sentence = fmt::format("the copy needs {} on {}, and whether they are there is unknown: {}", what,
                                new_side.host, why_unknown(new_side));
    return item;
  }
  bool fits = *new_side.data_disk_free_bytes >= needed;
  item.verdict = fits ? ok : refusal;
  item.sentence = fmt::format("the disk of {} has {} free, and the copy needs {}", new_side.data_directory,
                              human_bytes(*new_side.data_disk_free_bytes), what);
  if (!fits) item.remedy = "make room there, or exclude tables";
  return item;
}

// What the server may keep for our slot before we, or the server itself, let go of it.
std::uint64_t retained_wal_max(const Limits& limits, const ServerFacts& legacy) {
  auto ours = limits.retained_wal_bytes_max == 0 ? kNoBudget : limits.retained_wal_bytes_max;
  if (legacy.wal_keep_limit_bytes < 0) return ours;
  return std::min(ours, static_cast<std::uint64_t>(legacy.wal_keep_limit_bytes));
}

PreflightItem judge_log(const Spec& spec, const ServerFacts& legacy) {
  auto budget = retained_wal_max(spec.limits, legacy);
  PreflightItem item{.side = Side::legacy};
  if (budget == kNoBudget) {
    item.verdict = warning;
    item.sentence =
        "neither limits.retained_wal nor max_slot_wal_keep_size limits the log that the server "
        "keeps for a stream that is behind, so it may fill the disk";
    item.remedy = "set limits.retained_wal in the spec";
    return item;
  }
  if (!legacy.wal_disk_free_bytes) {
    item.verdict = unknown;
    item.sentence = fmt::format(
        "{} may keep {} of log for a stream that is behind, and whether its disk has them free is "
        "unknown: {}",
        legacy.host, human_bytes(budget), why_unknown(legacy));
    return item;
  }
  bool fits = *legacy.wal_disk_free_bytes >= budget;
  item.verdict = fits ? ok : warning;
  item.sentence = fmt::format(
      "the log's disk of {} has {} free, and the server may keep {} of log for a "
      "stream that is behind",
      legacy.data_directory, human_bytes(*legacy.wal_disk_free_bytes), human_bytes(budget));
  if (!fits) item.remedy = "make room there, or lower limits.retained_wal in the spec";
  return item;
}

}  // namespace

std::vector<PreflightItem> judge_disks(const Spec& spec, const ServerFacts& legacy,
                                       const ServerFacts& new_side) {
  return {judge_log(spec, legacy), judge_copy(legacy, new_side)};
}

}  // namespace oxbow
