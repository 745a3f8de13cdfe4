// Where one cohort of one entity stands.
//
//   legacy -> mirrored -> new-write -> new-read -> fully-cutover
//          <-          <-           <-          (no way back: forward recovery only)
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace oxbow {

enum class State { legacy, mirrored, new_write, new_read, fully_cutover };

inline constexpr std::array kStateNames = {std::string_view("legacy"), std::string_view("mirrored"),
                                           std::string_view("new-write"), std::string_view("new-read"),
                                           std::string_view("fully-cutover")};

constexpr std::string_view name(State state) {
  return kStateNames[static_cast<std::size_t>(state)];
}

constexpr std::optional<State> parse_state(std::string_view text) {
  for (std::size_t i = 0; i < kStateNames.size(); ++i)
    if (kStateNames[i] == text) return static_cast<State>(i);
  return std::nullopt;
}

}  // namespace oxbow
