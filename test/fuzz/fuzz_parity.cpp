// The first byte chooses rules, a zero byte divides the rest into two bodies. A body equals itself, printed
// with other blanks too; without rules the verdict is the same both ways; nothing is told twice over the
// bound.
#include <algorithm>
#include <array>
#include <cstdint>

#include "base/assert.hpp"
#include "core/parity/answers.hpp"
#include "core/parity/exact_number.hpp"
#include "core/parity/json_scanner.hpp"
#include "core/spec/answer_path.hpp"

namespace {

using namespace oxbow;
using Kind = CompareRule::Kind;
using Verdict = AnswerComparison::Verdict;

const ParityLimits kLimits{
    .body_bytes_max = 1 << 16, .depth_max = 64, .differences_max = 4, .rework_factor_max = 16};

CompareRules compile(const std::vector<CompareRule>& rules) {
  auto compiled = CompareRules::compile(rules);
  OXBOW_ASSERT(compiled, "{}", compiled.error().front().sentence);
  return *std::move(compiled);
}

const std::array<CompareRules, 3>& all_rules() {
  static const std::array<CompareRules, 3> rules = {
      CompareRules(),
      // None of these makes a body differ from itself.
      compile({{.kind = Kind::unordered, .path = "$..u"},
               {.kind = Kind::keyed, .path = "$..k", .keys = {"id"}},
               {.kind = Kind::tolerance, .path = "$..*", .absolute = "0.5", .relative = "0.01"},
               {.kind = Kind::time_skew, .path = "$..t", .skew = std::chrono::seconds(2)},
               {.kind = Kind::same_class, .path = "$..e", .classes = {"a.*", "b.*"}},
               {.kind = Kind::ignore, .path = "$.*[*].i"}}),
      compile({{.kind = Kind::rename, .path = "$..a", .to = "b"},
               {.kind = Kind::scale, .path = "$..a", .factor = "100"},
               {.kind = Kind::map, .path = "$..m", .map = {{"1", "x"}}},
               {.kind = Kind::unordered, .path = "$..u"}})};
  return rules;
}

AnswerComparison compare(std::string_view legacy, std::string_view new_side, const CompareRules& rules) {
  auto found = compare_answers({.body = legacy}, {.body = new_side}, rules, kLimits);
  OXBOW_ASSERT(found.differences.size() <= kLimits.differences_max, "{} are told", found.differences.size());
  OXBOW_ASSERT((found.difference_count > 0) == (found.verdict == Verdict::differs), "{} of verdict {}",
               found.difference_count, name(found.verdict));
  for (const auto& each : found.differences) {
    OXBOW_ASSERT(each.legacy_excerpt.size() <= kLimits.excerpt_bytes_max + 3, "a long excerpt");
    OXBOW_ASSERT(each.new_excerpt.size() <= kLimits.excerpt_bytes_max + 3, "a long excerpt");
  }
  return found;
}

void check_itself(std::string_view body, const CompareRules& rules, bool may_translate) {
  OXBOW_ASSERT(may_translate || compare(body, body, rules).verdict == Verdict::byte_equal,
               "a body differs from itself");
  auto printed = std::string(body) + " ";
  auto found = compare(body, printed, rules);
  OXBOW_ASSERT(may_translate || found.verdict != Verdict::differs || body.empty(),
               "a body differs from itself: {} at {}", body, found.differences.front().path);
  // Only what is no JSON, or has no single meaning, is left out.
  bool sound = !check_json(body, kLimits.depth_max);
  bool explained = found.skipped && (found.skipped->reason == SkipReason::duplicate_members ||
                                     found.skipped->reason == SkipReason::too_costly ||
                                     found.skipped->reason == SkipReason::too_large);
  OXBOW_ASSERT(!sound || !found.skipped || explained, "a sound body is skipped");
  OXBOW_ASSERT(sound || found.skipped || body.empty(), "what is no JSON is compared");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  auto choice = data[0] % all_rules().size();
  const auto& rules = all_rules()[choice];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto divide = std::min(rest.find('\0'), rest.size());
  auto legacy = rest.substr(0, divide), new_side = rest.substr(std::min(divide + 1, rest.size()));

  auto found = compare(legacy, new_side, rules);
  auto mirrored = compare(new_side, legacy, rules);
  if (choice == 0) {
    OXBOW_ASSERT(found.verdict == mirrored.verdict, "the verdict depends on the side");
    OXBOW_ASSERT(found.difference_count == mirrored.difference_count, "the count depends on the side");
  }
  check_itself(legacy, rules, choice == 2);
  (void)parse_answer_path(legacy);
  return 0;
}
