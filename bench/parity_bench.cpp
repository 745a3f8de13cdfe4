// Pairs of answers compared per second: compare_answers(), which also says where they differ, against parsing
// both into trees and comparing those, which does not. The last line holds figure and bar; the exit code is 1
// below the bar.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <variant>

#include "base/assert.hpp"
#include "core/parity/answers.hpp"
#include "core/parity/exact_number.hpp"
#include "core/parity/json_scanner.hpp"
#include "core/parity/json_string.hpp"
#include "parity_answers.hpp"

namespace oxbow {
namespace {

constexpr double kBar = 2.0;

// ---- peer 1: a tree over our own scanner ----

struct Tree {
  using Members = std::vector<std::pair<std::string, Tree>>;
  struct Number {
    std::string text;
  };
  std::variant<std::monostate, bool, Number, std::string, std::vector<Tree>, Members> value;
};

Tree parse(JsonScanner& scanner, const char*& at) {
  auto text_of_string = [&] {
    bool escaped;
    const char* start = at + 1;
    at = scanner.scan_string(at, escaped);
    std::string text;
    append_unescaped({start, at - 1}, text);
    return text;
  };
  Tree tree;
  const char* start = at;
  bool more = true;
  switch (class_of(*at)) {
    case ValueClass::object: {
      Tree::Members members;
      for (at = scanner.skip_blanks(at + 1); more; at = more ? scanner.skip_blanks(at) : at) {
        auto name = text_of_string();
        at = scanner.scan_colon(at);
        members.emplace_back(std::move(name), parse(scanner, at));
        at = scanner.scan_separator(at, '}', more);
      }
      std::ranges::sort(members, {}, &std::pair<std::string, Tree>::first);
      tree.value = std::move(members);
      break;
    }
    case ValueClass::array: {
      std::vector<Tree> elements;
      for (at = scanner.skip_blanks(at + 1); more; at = more ? scanner.skip_blanks(at) : at) {
        elements.push_back(parse(scanner, at));
        at = scanner.scan_separator(at, ']', more);
      }
      tree.value = std::move(elements);
      break;
    }
    case ValueClass::string:
      tree.value = text_of_string();
      break;
    case ValueClass::number:
      at = scanner.scan_number(at);
      tree.value = Tree::Number{{start, at}};
      break;
    case ValueClass::boolean:
      tree.value = *start == 't';
      [[fallthrough]];
    default:
      at = scanner.scan_literal(at);
  }
  return tree;
}

bool same(const Tree& a, const Tree& b) {
  if (a.value.index() != b.value.index()) return false;
  if (const auto* number = std::get_if<Tree::Number>(&a.value))
    return same_number(number->text, std::get<Tree::Number>(b.value).text);
  if (const auto* elements = std::get_if<std::vector<Tree>>(&a.value))
    return std::ranges::equal(*elements, std::get<std::vector<Tree>>(b.value), same);
  if (const auto* members = std::get_if<Tree::Members>(&a.value)) {
    return std::ranges::equal(*members, std::get<Tree::Members>(b.value),
                              [](const auto& one, const auto& other) {
                                return one.first == other.first && same(one.second, other.second);
                              });
  }
  if (const auto* text = std::get_if<std::string>(&a.value)) return *text == std::get<std::string>(b.value);
  return a.value.index() == 0 || std::get<bool>(a.value) == std::get<bool>(b.value);
}

bool compare_trees(const AnswerPair& pair) {
  auto tree_of = [](const std::string& text) {
    JsonScanner scanner(text, 512);
    const char* at = scanner.skip_blanks(scanner.begin());
    return parse(scanner, at);
  };
  return same(tree_of(pair.legacy), tree_of(pair.new_side));
}

// ---- peer 2: Boost.JSON ----

bool compare_boost(const AnswerPair& pair) {
  return boost::json::parse(pair.legacy) == boost::json::parse(pair.new_side);
}

// ---- ours ----

bool compare_ours(const AnswerPair& pair) {
  static const CompareRules no_rules;
  static const ParityLimits limits;
  Answer legacy{.fields = {{"Content-Type", "application/json"}}, .body = pair.legacy};
  Answer new_side{.fields = {{"Content-Type", "application/json"}}, .body = pair.new_side};
  auto found = compare_answers(legacy, new_side, no_rules, limits);
  OXBOW_ASSERT(!found.skipped, "{} is skipped", pair.kind);
  return found.verdict != AnswerComparison::Verdict::differs;
}

using Compare = bool (*)(const AnswerPair&);

void run(benchmark::State& state, Compare compare, const AnswerPair& pair, bool knows_numbers) {
  if (knows_numbers) OXBOW_ASSERT(compare(pair) == pair.equal, "{} is found out wrongly", pair.kind);
  for (auto step : state) benchmark::DoNotOptimize(compare(pair));
  state.SetItemsProcessed(state.iterations());
}

// Keeps the rates for the table at the end.
class Rates : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const auto& each : runs) {
      auto& best = rates[each.run_name.function_name];
      best = std::max(best, static_cast<double>(each.counters.at("items_per_second")));
    }
  }

  std::map<std::string, double> rates;
};

struct Worst {
  double trees = 1e9;
  double boost = 1e9;
};

Worst print_table(std::string_view title, const std::vector<AnswerPair>& pairs, Rates& rates) {
  fmt::print("\n{}: pairs/s on one core\n{:<40} {:>10} {:>10} {:>10}  ratios\n", title, "", "ours",
             "own trees", "Boost.JSON");
  Worst worst;
  for (const auto& pair : pairs) {
    auto rate = [&](std::string_view who) {
      return rates.rates[fmt::format("{}|{}|{}", title, pair.kind, who)];
    };
    auto trees = rate("ours") / rate("trees"), boost = rate("ours") / rate("boost");
    fmt::print("{:<40} {:>10.0f} {:>10.0f} {:>10.0f}  {:.1f} x, {:.1f} x\n", pair.kind, rate("ours"),
               rate("trees"), rate("boost"), trees, boost);
    worst = {std::min(worst.trees, trees), std::min(worst.boost, boost)};
  }
  return worst;
}

}  // namespace
}  // namespace oxbow

int main(int argc, char** argv) {
  using namespace oxbow;
  benchmark::Initialize(&argc, argv);
  std::vector<std::pair<std::string, std::vector<AnswerPair>>> sizes = {{"1 KB", answer_pairs(1'000)},
                                                                        {"32 KB", answer_pairs(32'000)}};
  constexpr std::pair<std::string_view, Compare> kPeers[] = {
      {"ours", compare_ours}, {"trees", compare_trees}, {"boost", compare_boost}};
  for (const auto& [title, pairs] : sizes) {
    for (const auto& pair : pairs) {
      for (auto [who, compare] : kPeers) {
        auto name = fmt::format("{}|{}|{}", title, pair.kind, who);
        benchmark::RegisterBenchmark(name.c_str(), run, compare, pair, who != "boost")
            ->MinTime(0.2)
            ->Repetitions(3);
      }
    }
  }
  Rates rates;
  benchmark::RunSpecifiedBenchmarks(&rates);
  Worst worst;
  for (const auto& [title, pairs] : sizes) {
    auto here = print_table(title, pairs, rates);
    worst = {std::min(worst.trees, here.trees), std::min(worst.boost, here.boost)};
  }
  fmt::print(
      "\ncompare: at least {:.1f} x the pairs/s of own trees and {:.1f} x those of Boost.JSON; bar {:.1f} "
      "x\n",
      worst.trees, worst.boost, kBar);
  return std::min(worst.trees, worst.boost) >= kBar ? 0 : 1;
}
