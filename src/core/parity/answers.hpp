// Whether the two sides' answers to one request mean the same. A pure function of what came: no clock, no
// I/O, bounded in time and memory by the limits. Safe from any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/parity/limits.hpp"
#include "core/parity/rules.hpp"
#include "model/comparison.hpp"
#include "model/http_message.hpp"

namespace oxbow {

struct Answer {
  int status = 200;
  HeaderFields fields;
  std::string_view body = {};  // without its Content-Encoding; whole
  // Why `body` is not what was sent, where it could not be decoded or was not kept.
  std::optional<SkipReason> unreadable = std::nullopt;
};

// In this order: status; header fields (Content-Type, Location, those of `headers`, those that rules name);
// the bodies' bytes; the bodies' meaning. An answer of another status is another answer: nothing further is
// compared.
AnswerComparison compare_answers(const Answer& legacy, const Answer& new_side, const CompareRules& rules,
                                 const ParityLimits& limits, std::span<const std::string> headers = {});

}  // namespace oxbow
