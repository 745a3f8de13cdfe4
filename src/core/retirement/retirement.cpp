#include "core/retirement/retirement.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kNamedMax = 5;

std::string describe(const KnownReader& reader) {
  return fmt::format("{} ({}, last {})", reader.who, reader.table, to_string(reader.last_seen));
}

// The newest first.
std::string list(std::vector<KnownReader> readers) {
  std::ranges::sort(readers, std::greater(), &KnownReader::last_seen);
  std::vector<std::string> named;
  for (const auto& reader : readers) {
    if (named.size() == kNamedMax) break;
    named.push_back(describe(reader));
  }
  auto line = fmt::format("{}", fmt::join(named, "; "));
  if (readers.size() > kNamedMax) line += fmt::format("; and {} more", readers.size() - kNamedMax);
  return line;
}

}  // namespace

Result<std::string> judge_retirement(const RetirementFacts& facts) {
  if (facts.blind)
    return Err(ErrorCode::illegal_transition,
               "nobody can look for readers of {} at this moment: {}; ask again when that is mended",
               facts.entity, to_string(*facts.blind));
  if (!facts.readers.empty())
    return Err(
        ErrorCode::illegal_transition,
        "{} may still be read on legacy by {}: {}; move each to the new side, and close by hand what is no "
        "reader (`oxbow findings --kind legacy-read`)",
        facts.entity, counted(facts.readers.size(), "reader", "readers"), list(facts.readers));
  auto since = facts.watched_since;
  if (facts.now - since < facts.quiet_for)
    return Err(
        ErrorCode::illegal_transition,
        "readers of {} are looked for since {}, and nobody may have read it for {} (`sunset.quiet_for`): ask "
        "again after {}",
        facts.entity, to_string(since), human_duration(facts.quiet_for),
        to_string(since + std::chrono::duration_cast<std::chrono::microseconds>(facts.quiet_for)));
  auto evidence = fmt::format("cut over since {}, readers looked for since {}, none of them is left",
                              to_string(facts.cut_over_at), to_string(since));
  if (facts.readers_before.empty()) return evidence + "; nobody was ever seen reading";
  return evidence + "; the last ones were " + list(facts.readers_before);
}

}  // namespace oxbow
