// The rules of one route, compiled once: a tree of path parts that a walk over two bodies follows step by
// step, and the rules of header fields. Immutable; safe from any thread. A walk keeps the tree's nodes that
// match where it stands in a stack of its own.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/parity/exact_number.hpp"
#include "model/compare_rule.hpp"

namespace re2 {
class RE2;
}

namespace oxbow {

struct RuleProblem {
  Mark mark;
  std::string sentence;  // without a full stop

  friend bool operator==(const RuleProblem&, const RuleProblem&) = default;
};

// One rule, its texts understood.
struct ReadyRule {
  CompareRule rule;
  std::optional<ExactNumber> absolute;
  std::optional<ExactNumber> relative;
  std::optional<ExactNumber> factor;
  std::vector<std::unique_ptr<re2::RE2>> classes;

  ReadyRule();
  ReadyRule(ReadyRule&&) noexcept;
  ReadyRule& operator=(ReadyRule&&) noexcept;
  ~ReadyRule();
};

// The nodes that match one place of a body: part of a stack that a walk keeps.
struct RuleState {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;

  bool empty() const { return size == 0; }
};

class CompareRules {
 public:
  using NodeId = std::uint32_t;
  using Stack = std::vector<NodeId>;

  CompareRules() = default;  // none

  // Or everything that is wrong, in the order of the rules.
  static std::expected<CompareRules, std::vector<RuleProblem>> compile(std::span<const CompareRule> rules);

  // Each pushes the nodes of the new place on `stack`; who walks back cuts the stack to the state's begin.
  RuleState at_root(Stack& stack) const;
  RuleState at_member(Stack& stack, RuleState of, std::string_view name) const;
  RuleState at_element(Stack& stack, RuleState of) const;

  // The first rule of this kind that holds at a place, or null.
  const ReadyRule* find(const Stack& stack, RuleState at, CompareRule::Kind kind) const;
  bool any_here(const Stack& stack, RuleState at) const;
  bool renames_members(const Stack& stack, RuleState of) const;  // some member of this object

  // All rules that hold at a place, in their order.
  template <class Visit>
  void for_each(const Stack& stack, RuleState at, Visit visit) const {
    for (auto i = at.begin; i < at.begin + at.size; ++i)
      for (auto rule : nodes_[stack[i]].rules) visit(rules_[rule]);
  }

  // Whether the new side's bytes may have to differ from legacy's to be right: those of the body, or those of
  // a header field.
  bool translate() const { return translate_; }
  bool translate_fields() const { return translate_fields_; }

  std::vector<const ReadyRule*> of_header(std::string_view name) const;
  std::vector<std::string> header_names() const;  // lower case, each once

 private:
  struct Node {
    std::vector<std::pair<std::string, NodeId>> members;  // by name
    NodeId any_member = 0;                                // 0: none, since nothing leads to the root
    NodeId element = 0;
    NodeId descend = 0;
    bool stays = false;  // reached by `..`: matches everything below, too
    bool renames_members = false;
    std::vector<std::uint32_t> rules;  // that end here
  };

  NodeId add_path(std::span<const struct PathPart> parts);
  std::optional<std::string> add(ReadyRule rule);
  void push(Stack& stack, RuleState& state, NodeId node) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<ReadyRule> rules_;
  bool translate_ = false;
  bool translate_fields_ = false;
};

// Whether both texts match the same one of the rule's classes, each from its beginning to its end.
bool same_class(const ReadyRule& rule, std::string_view one, std::string_view other);

}  // namespace oxbow
