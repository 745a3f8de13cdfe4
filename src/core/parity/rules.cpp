#include "core/parity/rules.hpp"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>

#include "core/spec/answer_path.hpp"
#include "core/value/scan.hpp"
#include "model/http_message.hpp"

namespace oxbow {
namespace {

using Kind = CompareRule::Kind;

constexpr std::string_view kKindNames[] = {"ignore",     "unordered", "keyed",  "tolerance", "time_skew",
                                           "same_class", "map",       "rename", "scale"};

std::string_view name_of(Kind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

// What would make two rules of one path contradict each other.
int role_of(Kind kind) {
  switch (kind) {
    case Kind::unordered:
    case Kind::keyed:
      return 1;
    case Kind::map:
    case Kind::scale:
      return 2;
    case Kind::rename:
      return 3;
    default:
      return 0;
  }
}

std::optional<std::string> read_number(std::string_view text, std::string_view what,
                                       std::optional<ExactNumber>& out) {
  if (text.empty()) return std::nullopt;
  out = ExactNumber::parse(text);
  if (!out) return fmt::format("{} '{}' is not a number such as 0.01", what, text);
  if (out->negative) return fmt::format("{} {} is below zero", what, text);
  if (out->digits.size() > ExactNumber::kFactorDigitsMax)
    return fmt::format("{} has more than {} digits", what, ExactNumber::kFactorDigitsMax);
  return std::nullopt;
}

std::optional<std::string> read_tolerance(ReadyRule& ready) {
  if (ready.rule.absolute.empty() && ready.rule.relative.empty())
    return "a tolerance needs an absolute or a relative figure";
  if (auto wrong = read_number(ready.rule.absolute, "the absolute tolerance", ready.absolute)) return wrong;
  return read_number(ready.rule.relative, "the relative tolerance", ready.relative);
}

std::optional<std::string> read_classes(ReadyRule& ready) {
  if (ready.rule.classes.empty()) return "same_class needs at least one regular expression";
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  for (const auto& pattern : ready.rule.classes) {
    auto expression = std::make_unique<RE2>(pattern, options);
    if (!expression->ok())
      return fmt::format("the regular expression '{}' is not understood: {}", pattern, expression->error());
    ready.classes.push_back(std::move(expression));
  }
  return std::nullopt;
}

std::optional<std::string> read_keys(const CompareRule& rule) {
  if (rule.keys.empty()) return "a keyed array needs the members that tell its elements apart";
  if (std::ranges::find(rule.keys, std::string()) != rule.keys.end())
    return "a key of an array is a member's name, not empty";
  return std::nullopt;
}

std::optional<std::string> read_map(const CompareRule& rule) {
  if (rule.map.empty()) return "a map needs at least one value";
  for (auto pair = rule.map.begin(); pair != rule.map.end(); ++pair) {
    if (std::ranges::find(rule.map.begin(), pair, pair->first, &std::pair<std::string, std::string>::first) !=
        pair)
      return fmt::format("the map has two values for '{}'", pair->first);
  }
  return std::nullopt;
}

std::optional<std::string> read_factor(ReadyRule& ready) {
  if (auto wrong = read_number(ready.rule.factor, "the factor", ready.factor)) return wrong;
  if (!ready.factor || ready.factor->digits.empty()) return "a scale needs a factor above zero";
  return std::nullopt;
}

// Fills in what the rule's texts mean, or says what is wrong with them.
std::optional<std::string> read_arguments(ReadyRule& ready) {
  switch (ready.rule.kind) {
    case Kind::ignore:
    case Kind::unordered:
      return std::nullopt;
    case Kind::keyed:
      return read_keys(ready.rule);
    case Kind::tolerance:
      return read_tolerance(ready);
    case Kind::time_skew:
      if (ready.rule.skew <= Duration::zero()) return "a time skew is longer than nothing";
      return std::nullopt;
    case Kind::same_class:
      return read_classes(ready);
    case Kind::map:
      return read_map(ready.rule);
    case Kind::rename:
      if (ready.rule.to.empty()) return "a rename needs the member's name on the new side";
      if (ready.rule.to.starts_with("$."))
        return "a rename takes the member's new name alone, without its path";
      return std::nullopt;
    case Kind::scale:
      return read_factor(ready);
  }
  return std::nullopt;
}

bool is_for_headers(Kind kind) {
  return kind == Kind::ignore || kind == Kind::tolerance || kind == Kind::time_skew ||
         kind == Kind::same_class || kind == Kind::map;
}

std::optional<std::string> check_place(const CompareRule& rule) {
  if (rule.path.empty() == rule.header.empty()) return "a rule has either a path or a header";
  if (!rule.header.empty() && !is_for_headers(rule.kind))
    return fmt::format("{} is for paths, and a header has one value", name_of(rule.kind));
  return std::nullopt;
}

}  // namespace

ReadyRule::ReadyRule() = default;
ReadyRule::ReadyRule(ReadyRule&&) noexcept = default;
ReadyRule& ReadyRule::operator=(ReadyRule&&) noexcept = default;
ReadyRule::~ReadyRule() = default;

std::expected<CompareRules, std::vector<RuleProblem>> CompareRules::compile(
    std::span<const CompareRule> rules) {
  CompareRules compiled;
  std::vector<RuleProblem> problems;
  for (const auto& rule : rules) {
    ReadyRule ready;
    ready.rule = rule;
    auto wrong = check_place(rule);
    if (!wrong) wrong = read_arguments(ready);
    if (!wrong) wrong = compiled.add(std::move(ready));
    if (wrong) problems.push_back({rule.mark, *std::move(wrong)});
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return compiled;
}

std::optional<std::string> CompareRules::add(ReadyRule ready) {
  const auto kind = ready.rule.kind;
  if (ready.rule.header.empty()) {
    auto parts = parse_answer_path(ready.rule.path);
    if (!parts) return fmt::format("the path '{}' is not understood: {}", ready.rule.path, parts.error());
    if (kind == Kind::rename && (parts->empty() || parts->back().kind != PathPart::Kind::member))
      return fmt::format("a rename needs one member at the end of its path, and '{}' has none",
                         ready.rule.path);
    if (kind == Kind::rename)
      nodes_[add_path(std::span(*parts).first(parts->size() - 1))].renames_members = true;
    auto& node = nodes_[add_path(*parts)];
    for (auto other : node.rules) {
      if (role_of(kind) != 0 && role_of(rules_[other].rule.kind) == role_of(kind)) {
        const auto& first = rules_[other].rule;
        return fmt::format("'{}' has a rule {} already (line {}), which {} contradicts", ready.rule.path,
                           name_of(first.kind), first.mark.line, name_of(kind));
      }
    }
    node.rules.push_back(static_cast<std::uint32_t>(rules_.size()));
    translate_ |= role_of(kind) >= 2;
  } else {
    std::ranges::transform(ready.rule.header, ready.rule.header.begin(), lower);
    translate_fields_ |= role_of(kind) >= 2;
  }
  rules_.push_back(std::move(ready));
  return std::nullopt;
}

CompareRules::NodeId CompareRules::add_path(std::span<const PathPart> parts) {
  NodeId at = 0;
  for (const auto& part : parts) {
    auto next = static_cast<NodeId>(nodes_.size());
    auto go = [&](NodeId& edge) {
      if (edge == 0) edge = next;
      return edge;
    };
    NodeId to = 0;
    switch (part.kind) {
      case PathPart::Kind::member: {
        auto& members = nodes_[at].members;
        auto place = std::ranges::lower_bound(members, part.name, {}, &std::pair<std::string, NodeId>::first);
        if (place == members.end() || place->first != part.name)
          place = members.insert(place, {part.name, next});
        to = place->second;
        break;
      }
      case PathPart::Kind::any_member:
        to = go(nodes_[at].any_member);
        break;
      case PathPart::Kind::element:
        to = go(nodes_[at].element);
        break;
      case PathPart::Kind::descend:
        to = go(nodes_[at].descend);
        break;
    }
    if (to == next) nodes_.emplace_back().stays = part.kind == PathPart::Kind::descend;
    at = to;
  }
  return at;
}

void CompareRules::push(Stack& stack, RuleState& state, NodeId node) const {
  for (auto i = state.begin; i < state.begin + state.size; ++i)
    if (stack[i] == node) return;
  stack.push_back(node);
  ++state.size;
  if (nodes_[node].descend != 0) push(stack, state, nodes_[node].descend);
}

RuleState CompareRules::at_root(Stack& stack) const {
  RuleState state{static_cast<std::uint32_t>(stack.size()), 0};
  if (std::ranges::any_of(rules_, [](const ReadyRule& each) { return each.rule.header.empty(); }))
    push(stack, state, 0);
  return state;
}

RuleState CompareRules::at_member(Stack& stack, RuleState of, std::string_view name) const {
  RuleState state{static_cast<std::uint32_t>(stack.size()), 0};
  for (auto i = of.begin; i < of.begin + of.size; ++i) {
    const auto& node = nodes_[stack[i]];
    auto place = std::ranges::lower_bound(node.members, name, {}, &std::pair<std::string, NodeId>::first);
    if (place != node.members.end() && place->first == name) push(stack, state, place->second);
    if (node.any_member != 0) push(stack, state, node.any_member);
    if (node.stays) push(stack, state, stack[i]);
  }
  return state;
}

RuleState CompareRules::at_element(Stack& stack, RuleState of) const {
  RuleState state{static_cast<std::uint32_t>(stack.size()), 0};
  for (auto i = of.begin; i < of.begin + of.size; ++i) {
    const auto& node = nodes_[stack[i]];
    if (node.element != 0) push(stack, state, node.element);
    if (node.stays) push(stack, state, stack[i]);
  }
  return state;
}

const ReadyRule* CompareRules::find(const Stack& stack, RuleState at, CompareRule::Kind kind) const {
  const ReadyRule* first = nullptr;
  for_each(stack, at, [&](const ReadyRule& each) {
    if (each.rule.kind == kind && (first == nullptr || &each < first)) first = &each;
  });
  return first;
}

bool CompareRules::any_here(const Stack& stack, RuleState at) const {
  for (auto i = at.begin; i < at.begin + at.size; ++i)
    if (!nodes_[stack[i]].rules.empty()) return true;
  return false;
}

bool CompareRules::renames_members(const Stack& stack, RuleState of) const {
  for (auto i = of.begin; i < of.begin + of.size; ++i)
    if (nodes_[stack[i]].renames_members) return true;
  return false;
}

std::vector<const ReadyRule*> CompareRules::of_header(std::string_view name) const {
  std::vector<const ReadyRule*> found;
  for (const auto& each : rules_)
    if (!each.rule.header.empty() && same_field_name(each.rule.header, name)) found.push_back(&each);
  return found;
}

std::vector<std::string> CompareRules::header_names() const {
  std::vector<std::string> names;
  for (const auto& each : rules_)
    if (!each.rule.header.empty()) names.push_back(each.rule.header);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool same_class(const ReadyRule& rule, std::string_view one, std::string_view other) {
  auto piece = [](std::string_view text) { return re2::StringPiece(text.data(), text.size()); };
  return std::ranges::any_of(rule.classes, [&](const auto& expression) {
    return RE2::FullMatch(piece(one), *expression) && RE2::FullMatch(piece(other), *expression);
  });
}

}  // namespace oxbow
