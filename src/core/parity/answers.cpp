#include "core/parity/answers.hpp"

#include <fmt/core.h>

#include "core/parity/header_fields.hpp"
#include "core/parity/json_walk.hpp"
#include "core/parity/signature.hpp"

namespace oxbow {
namespace {

using Verdict = AnswerComparison::Verdict;

void tell(AnswerComparison& out, const ParityLimits& limits, AnswerDifference difference) {
  ++out.difference_count;
  if (out.differences.size() < limits.differences_max) {
    out.differences.push_back(std::move(difference));
  } else {
    ++out.differences_untold;
  }
}

void tell_status(AnswerComparison& out, const ParityLimits& limits, int legacy, int new_side) {
  tell(out, limits,
       {.kind = DifferenceKind::status,
        .path = "status",
        .signature_path = fmt::format("status {}/{}", legacy, new_side),
        .legacy_class = ValueClass::number,
        .new_class = ValueClass::number,
        .legacy_excerpt = std::to_string(legacy),
        .new_excerpt = std::to_string(new_side)});
}

void tell_empty_body(AnswerComparison& out, const ParityLimits& limits, std::string_view legacy,
                     std::string_view new_side) {
  auto class_of_body = [](std::string_view body) {
    return body.empty() ? ValueClass::none : ValueClass::string;
  };
  tell(out, limits,
       {.kind = new_side.empty() ? DifferenceKind::missing : DifferenceKind::extra,
        .path = "$",
        .signature_path = "$",
        .legacy_class = class_of_body(legacy),
        .new_class = class_of_body(new_side),
        .legacy_excerpt = excerpt_of(legacy, limits.excerpt_bytes_max),
        .new_excerpt = excerpt_of(new_side, limits.excerpt_bytes_max)});
}

// The first reason of either side, in the order of the list, and whose it is.
template <class Find>
std::optional<SkippedBody> first_reason(const Answer& legacy, const Answer& new_side, Find find) {
  std::optional<SkippedBody> one = find(legacy), other = find(new_side);
  if (one && other && one->reason == other->reason) return one;
  if (one && (!other || one->reason < other->reason)) {
    one->side = Side::legacy;
    return one;
  }
  if (other) other->side = Side::new_side;
  return other;
}

std::optional<SkippedBody> unfit(const Answer& answer, const MediaType& type, const ParityLimits& limits) {
  if (answer.unreadable) return SkippedBody{.reason = *answer.unreadable};
  if (!type.is_utf8) return SkippedBody{.reason = SkipReason::undecodable_encoding};
  if (answer.body.size() > limits.body_bytes_max) return SkippedBody{.reason = SkipReason::too_large};
  if (type.json == MediaType::Json::no) return SkippedBody{.reason = SkipReason::not_json};
  return std::nullopt;
}

// A walk stops at the first thing wrong in either body; which one is told must not hang on its way.
SkippedBody why_stopped(const Answer& legacy, const Answer& new_side, SkipReason of_walk,
                        const ParityLimits& limits) {
  auto broken = first_reason(legacy, new_side, [&](const Answer& answer) -> std::optional<SkippedBody> {
    auto fault = check_json(answer.body, limits.depth_max);
    if (!fault) return std::nullopt;
    auto type = media_type(answer.fields);
    bool guessed = type.json == MediaType::Json::unknown && fault->reason == SkipReason::invalid_json;
    return SkippedBody{.reason = guessed ? SkipReason::not_json : fault->reason,
                       .offset = fault->offset,
                       .what = std::string(fault->what)};
  });
  return broken.value_or(SkippedBody{.reason = of_walk});
}

void compare_bodies(AnswerComparison& out, const Answer& legacy, const Answer& new_side,
                    const CompareRules& rules, ParityLimits limits) {
  limits.differences_max -= out.differences.size();
  JsonWalk walk(legacy.body, new_side.body, rules, limits);
  if (!walk.run()) {
    out.skipped = why_stopped(legacy, new_side, walk.reason(), limits);
    return;
  }
  out.difference_count += walk.difference_count();
  out.differences_untold += walk.differences_untold();
  if (out.differences.empty()) {
    out.differences = walk.take_differences();
    return;
  }
  for (auto& each : walk.take_differences()) out.differences.push_back(std::move(each));
}

}  // namespace

AnswerComparison compare_answers(const Answer& legacy, const Answer& new_side, const CompareRules& rules,
                                 const ParityLimits& limits, std::span<const std::string> headers) {
  AnswerComparison out;
  if (legacy.status != new_side.status) {
    tell_status(out, limits, legacy.status, new_side.status);
    out.verdict = Verdict::differs;
    return out;
  }
  for (auto& each : compare_fields(legacy.fields, new_side.fields, rules, headers, limits.excerpt_bytes_max))
    tell(out, limits, std::move(each));

  bool readable = !legacy.unreadable && !new_side.unreadable;
  bool same_bytes = readable && legacy.body == new_side.body;
  if (readable && legacy.body.empty() != new_side.body.empty()) {
    tell_empty_body(out, limits, legacy.body, new_side.body);
  } else if (!same_bytes || rules.translate()) {
    out.skipped = first_reason(legacy, new_side, [&](const Answer& answer) {
      return unfit(answer, media_type(answer.fields), limits);
    });
    if (same_bytes && (out.skipped || legacy.body.empty())) {
      out.skipped.reset();  // no JSON that a rule could translate
    } else if (!out.skipped) {
      compare_bodies(out, legacy, new_side, rules, limits);
    }
  }
  out.verdict = out.difference_count > 0 ? Verdict::differs
                : out.skipped            ? Verdict::skipped
                : same_bytes             ? Verdict::byte_equal
                                         : Verdict::equal;
  return out;
}

}  // namespace oxbow
