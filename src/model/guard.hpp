// What a side lets its users write. Each cohort has a guard on either side; at most one of the two admits.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/strong.hpp"

namespace oxbow {

//   open     writes pass
//   near     writes pass, and whoever writes is known by a lock until the transaction ends: a handover is
//   near fenced   writes are refused for the moment, with an error that programs retry: a handover is in
//   flight closed   writes are refused, with the name of the new home
enum class GuardMode { open, near, fenced, closed };

inline constexpr std::array kGuardModeNames = {std::string_view("open"), std::string_view("near"),
                                               std::string_view("fenced"), std::string_view("closed")};

constexpr std::string_view name(GuardMode mode) {
  return kGuardModeNames[static_cast<std::size_t>(mode)];
}

// Which order to a guard this is: a later one has a larger number. An order whose session broke off may
// arrive long after the next one was given, and is then refused.
using GuardOrder = Strong<std::uint64_t, struct GuardOrderTag>;

struct GuardState {
  GuardMode mode = GuardMode::closed;
  std::uint64_t epoch = 0;  // of the authority that it enforces; never falls
  GuardOrder order{};

  friend bool operator==(const GuardState&, const GuardState&) = default;
};

constexpr bool admits(GuardMode mode) {
  return mode <= GuardMode::near;
}

}  // namespace oxbow
