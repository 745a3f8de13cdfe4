// Runs the tables in test/golden/parity: two answers and rules go in, what compare_answers() makes of them
// comes out.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "support/parity_case.hpp"

namespace oxbow {
namespace {

using namespace parity_case;

std::string describe(const SkippedBody& skipped) {
  auto text = std::string(name(skipped.reason));
  if (skipped.side) text += fmt::format(", {}", name(*skipped.side));
  if (!skipped.what.empty()) text += fmt::format(" at {}: {}", skipped.offset, skipped.what);
  return text;
}

std::vector<std::string> describe(const Case& test) {
  auto rules = CompareRules::compile(test.rules);
  std::vector<std::string> out;
  if (!rules) {
    for (const auto& each : rules.error())
      out.push_back(fmt::format("problem at {}: {}", each.mark.line, each.sentence));
    return out;
  }
  auto legacy = test.answer(Side::legacy), new_side = test.answer(Side::new_side);
  auto found = compare_answers(legacy, new_side, *rules, test.limits, test.headers);
  if (test.rules.empty()) {
    auto mirrored = compare_answers(new_side, legacy, *rules, test.limits, test.headers);
    EXPECT_EQ(mirrored.verdict, found.verdict) << test.title;
    EXPECT_EQ(mirrored.difference_count, found.difference_count) << test.title;
  }
  out.push_back(std::string(name(found.verdict)));
  if (found.difference_count > found.differences.size())
    out.back() += fmt::format(" {}", found.difference_count);
  for (const auto& each : found.differences) {
    auto path =
        each.path == each.signature_path ? each.path : fmt::format("{} ({})", each.path, each.signature_path);
    out.push_back(fmt::format("{} {} {}/{}: {} | {}", name(each.kind), path, name(each.legacy_class),
                              name(each.new_class), each.legacy_excerpt, each.new_excerpt));
  }
  if (found.skipped) out.push_back("body skipped: " + describe(*found.skipped));
  return out;
}

class GoldenParity : public testing::TestWithParam<std::string> {};

TEST_P(GoldenParity, IsWhatItWas) {
  golden::expect_unchanged<Case>(golden::path_of("parity/" + GetParam()),
                                 [](const Case& test) { return describe(test); });
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenParity, testing::ValuesIn(golden::files_in("parity")),
                         [](const auto& file) { return file.param.substr(0, file.param.find('.')); });

}  // namespace
}  // namespace oxbow
