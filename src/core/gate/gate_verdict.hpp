// What a gate says. What is not known is not taken for good: only `pass` lets anybody pass.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace oxbow {

// From the best to the worst. `error`: the facts cannot be had at this moment, whatever they would say.
enum class GateVerdict { pass, inconclusive, error, fail };

inline constexpr std::array kGateVerdictNames = {std::string_view("pass"), std::string_view("inconclusive"),
                                                 std::string_view("error"), std::string_view("fail")};

constexpr std::string_view name(GateVerdict verdict) {
  return kGateVerdictNames[static_cast<std::size_t>(verdict)];
}

}  // namespace oxbow
