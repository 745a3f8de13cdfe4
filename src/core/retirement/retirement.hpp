// Whether nobody needs the legacy tables of an entity any more, by what is known of who reads them. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace oxbow {

struct KnownReader {
  std::string who;
  std::string table;
  WallTime last_seen;
};

struct RetirementFacts {
  std::string entity;
  WallTime cut_over_at{};                     // the last cohort
  WallTime watched_since{};                   // by counts that tell of every scan
  std::optional<Error> blind{};               // why nobody can look at this moment
  std::vector<KnownReader> readers{};         // nobody has settled them
  std::vector<KnownReader> readers_before{};  // settled
  Duration quiet_for{};                       // so long nobody may have read
  WallTime now{};
};

// What speaks for it, to be kept with the order. `illegal_transition` with who or what speaks against it.
Result<std::string> judge_retirement(const RetirementFacts& facts);

}  // namespace oxbow
