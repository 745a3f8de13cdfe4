#include "core/spec/check.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace oxbow {
namespace {

std::string_view kind_in_words(const SpecNode& node) {
  switch (node.kind) {
    case SpecNode::Kind::null:
      return "nothing";
    case SpecNode::Kind::scalar:
      return "a single value";
    case SpecNode::Kind::sequence:
      return "a list";
    case SpecNode::Kind::map:
      return "a map";
  }
  return "";
}

bool fits_kind(const Shape& shape, const SpecNode& node) {
  switch (shape.kind) {
    case Shape::Kind::scalar:
      return node.is_scalar();
    case Shape::Kind::list:
      return node.is_sequence();
    case Shape::Kind::object:
    case Shape::Kind::map:
      return node.is_map();
    case Shape::Kind::forms:
      return form_of(shape, node) != nullptr;
  }
  return false;
}

// Names of keys in the order of the grammar, without repetition.
using Words = std::vector<std::string_view>;

void add_key_names(Words& words, const Shape& shape) {
  for (const auto& key : shape.keys)
    if (std::ranges::find(words, key.name) == words.end()) words.push_back(key.name);
}

Words key_names(const Shape& shape) {
  Words words;
  add_key_names(words, shape);
  return words;
}

Words tags_in(const Shape& forms, const SpecNode& node) {
  Words tags;
  for (const auto* form : forms.forms)
    if (!form->tag.empty() && node.find(form->tag)) tags.push_back(form->tag);
  return tags;
}

class Checker {
 public:
  explicit Checker(Mistakes& mistakes) : mistakes_(mistakes) {}

  // `what` names the value in messages: "'percent'", "column 'note'".
  void check(const Shape& shape, const SpecNode& node, const std::string& what) {
    if (is_undecided(node)) return report_undecided(node, what);
    if (shape.kind == Shape::Kind::forms) return check_forms(shape, node, what);
    if (!fits_kind(shape, node))
      return mistakes_.add(node.mark, "{} must be {}, not {}", what, shape.expected, kind_in_words(node));
    switch (shape.kind) {
      case Shape::Kind::scalar:
        return check_scalar(*shape.scalar, node, what);
      case Shape::Kind::list:
        return check_list(shape, node, what);
      case Shape::Kind::map:
        return check_map(shape, node, what);
      case Shape::Kind::object:
        return check_object(shape, node, what, key_names(shape));
      case Shape::Kind::forms:
        return;
    }
  }

 private:
  void report_undecided(const SpecNode& node, const std::string& what) {
    auto colon = node.comment.empty() ? "" : ": ";
    mistakes_.add_undecided(node.mark, fmt::format("{} is undecided{}{}", what, colon, node.comment));
  }

  void check_scalar(const ScalarShape& scalar, const SpecNode& node, const std::string& what) {
    if (!scalar.words.empty()) {
      if (std::ranges::find(scalar.words, node.text) != scalar.words.end()) return;
      auto sentence =
          scalar.words.size() == 1
              ? fmt::format("{} must be {}, not '{}'", what, scalar.expected, node.text)
              : fmt::format("{} must be one of {}, not '{}'", what, join(scalar.words), node.text);
      mistakes_.add_unknown_word(node.mark, std::move(sentence), node.text, scalar.words);
    } else if (!scalar.accepts(node.text)) {
      mistakes_.add(node.mark, "{} must be {}, not '{}'", what, scalar.expected, node.text);
    }
  }

  void check_list(const Shape& shape, const SpecNode& node, const std::string& what) {
    if (node.items.empty()) mistakes_.add(node.mark, "{} is empty; expected {}", what, shape.expected);
    for (const auto& item : node.items) check(*shape.element, item, "an item of " + what);
  }

  void check_map(const Shape& shape, const SpecNode& node, const std::string& what) {
    if (node.entries.empty()) mistakes_.add(node.mark, "{} is empty; expected {}", what, shape.expected);
    check_no_key_twice(node);
    for (const auto& [key, value] : node.entries) {
      auto name = fmt::format("{} '{}'", shape.element_noun, key.text);
      if (!shape.map_key->accepts(key.text))
        mistakes_.add(key.mark, "{} has no valid name; expected {}", name, shape.map_key->expected);
      check(*shape.element, value, name);
    }
  }

  void check_no_key_twice(const SpecNode& node) {
    std::map<std::string_view, Mark> seen;
    for (const auto& [key, value] : node.entries) {
      auto [first, is_new] = seen.emplace(key.text, key.mark);
      if (!is_new)
        mistakes_.add(key.mark, "key '{}' stands twice; first in line {}", key.text, first->second.line);
    }
  }

  // `expected` may hold more keys than the object takes: those of all forms while it is open which one is
  // meant.
  void check_object(const Shape& shape, const SpecNode& node, const std::string& what,
                    const Words& expected) {
    check_no_key_twice(node);
    for (const auto& [key, value] : node.entries) {
      auto at = std::ranges::find(shape.keys, key.text, &KeyShape::name);
      if (at == shape.keys.end()) {
        report_unknown_key(key, expected);
      } else {
        check(*at->value, value, fmt::format("'{}'", key.text));
      }
    }
    for (const auto& key : shape.keys) {
      if (key.required && !node.find(key.name))
        mistakes_.add(node.mark, "{} lacks the key '{}'; expected {}", what, key.name, key.value->expected);
    }
  }

  void report_unknown_key(const SpecNode& key, const Words& expected) {
    mistakes_.add_unknown_word(key.mark,
                               fmt::format("unknown key '{}'; expected one of {}", key.text, join(expected)),
                               key.text, expected);
  }

  void check_forms(const Shape& shape, const SpecNode& node, const std::string& what) {
    auto tags = tags_in(shape, node);
    if (node.is_map() && tags.size() > 1)
      return mistakes_.add(node.mark, "{} has {}; only one of them can be meant", what, join(tags));

    const auto* form = form_of(shape, node);
    bool open = node.is_map() && tags.empty();
    if (!form && !open)
      return mistakes_.add(node.mark, "{} must be {}, not {}", what, shape.expected, kind_in_words(node));
    if (!open) return check(*form, node, what);
    check_open_form(shape, form, node, what);
  }

  // A map that shows no tag: the form without a tag if there is one, but a misspelt tag may be meant as well.
  void check_open_form(const Shape& shape, const Shape* form, const SpecNode& node, const std::string& what) {
    Words all;
    Words tags;
    for (const auto* other : shape.forms) {
      add_key_names(all, *other);
      if (!other->tag.empty()) tags.push_back(other->tag);
    }
    if (form) return check_object(*form, node, what, all);

    auto before = mistakes_.size();
    for (const auto& [key, value] : node.entries)
      if (std::ranges::find(all, key.text) == all.end()) report_unknown_key(key, all);
    if (mistakes_.size() == before) mistakes_.add(node.mark, "{} needs one of the keys {}", what, join(tags));
  }

  Mistakes& mistakes_;
};

}  // namespace

const Shape* form_of(const Shape& shape, const SpecNode& node) {
  if (shape.kind != Shape::Kind::forms) return &shape;
  const Shape* untagged = nullptr;
  for (const auto* form : shape.forms) {
    if (!fits_kind(*form, node)) continue;
    if (form->tag.empty()) untagged = form;
    if (!form->tag.empty() && node.find(form->tag)) return form;
  }
  return untagged;
}

void check_grammar(const SpecNode& root, Mistakes& mistakes) {
  Checker(mistakes).check(spec_shape(), root, "the file");
}

}  // namespace oxbow
