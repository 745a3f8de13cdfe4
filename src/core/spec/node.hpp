// A spec file as a tree, before anybody knows what it means: scalars, sequences and maps in the order they
// were written, each with its place. Made by an adapter, read by parse_spec(). Plain values.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec.hpp"

namespace oxbow {

struct SpecNode {
  enum class Kind { null, scalar, sequence, map };

  Kind kind = Kind::null;
  std::string text;             // of a scalar
  bool quoted = false;          // 'DECIDE' in quotes is a word, DECIDE is an open decision
  Mark mark;                    // columns count characters, not bytes
  std::string comment;          // what is written behind a scalar on its line, without the #
  std::vector<SpecNode> items;  // of a sequence
  struct Entry;
  std::vector<Entry> entries;  // of a map; may hold the same key twice

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_sequence() const { return kind == Kind::sequence; }
  bool is_map() const { return kind == Kind::map; }

  // The value of the first entry with this key, or null if there is none.
  const SpecNode* find(std::string_view key) const;
};

struct SpecNode::Entry {
  SpecNode key;  // a scalar
  SpecNode value;
};

inline const SpecNode* SpecNode::find(std::string_view key) const {
  auto at = std::ranges::find_if(entries, [&](const Entry& entry) { return entry.key.text == key; });
  return at == entries.end() ? nullptr : &at->value;
}

// What `oxbow init` writes where a person has to choose.
inline constexpr std::string_view kUndecided = "DECIDE";

inline bool is_undecided(const SpecNode& node) {
  return node.is_scalar() && !node.quoted && node.text == kUndecided;
}

}  // namespace oxbow
