#include "apps/json_lines.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>

namespace oxbow {
namespace {

constexpr std::size_t kDepthMax = 100;  // what lies deeper is shown as it stands

struct Node {
  std::string name;  // with its quotes; empty outside of objects
  std::string text;  // of what is neither object nor array
  char opening = 0;
  bool is_closed = false;
  std::vector<Node> children;
};

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool closes(char c) {
  return c == '}' || c == ']';
}

// Reads what is there and is satisfied with it.
class Reader {
 public:
  explicit Reader(std::string_view body) : body_(body) {}

  bool at_end() {
    while (at_ < body_.size() && is_blank(body_[at_])) ++at_;
    return at_ == body_.size();
  }

  // REQUIRES: !at_end()
  Node read(std::size_t depth) {
    char c = body_[at_];
    if (c != '{' && c != '[') return {.text = visible(read_token())};
    if (depth == kDepthMax) {
      auto rest = body_.substr(at_);
      at_ = body_.size();
      return {.text = visible(rest), .children = {}};
    }
    return read_children(depth);
  }

 private:
  Node read_children(std::size_t depth) {
    Node node{.opening = body_[at_++]};
    while (!at_end()) {
      char c = body_[at_];
      if (closes(c)) {
        ++at_;
        node.is_closed = true;
        break;
      }
      if (c == ',') {
        ++at_;
      } else {
        node.children.push_back(node.opening == '{' ? read_member(depth + 1) : read(depth + 1));
      }
    }
    if (node.opening == '{') std::ranges::sort(node.children, {}, &Node::name);
    return node;
  }

  Node read_member(std::size_t depth) {
    if (body_[at_] != '"') return read(depth);
    auto name = visible(read_token());
    if (at_end() || body_[at_] != ':') return {.text = std::move(name)};
    ++at_;
    Node node = at_end() || closes(body_[at_]) || body_[at_] == ',' ? Node() : read(depth);
    node.name = std::move(name);
    return node;
  }

  // A string, or everything up to the next sign that means something; at least one character.
  std::string_view read_token() {
    auto begin = at_;
    if (body_[at_] == '"') {
      ++at_;
      while (at_ < body_.size() && body_[at_] != '"') at_ += body_[at_] == '\\' ? 2 : 1;
      at_ = std::min(at_ + 1, body_.size());
    } else {
      constexpr std::string_view kSigns = " \n\r\t,:{}[]\"";
      at_ = std::min(body_.find_first_of(kSigns, at_ + 1), body_.size());
    }
    return body_.substr(begin, at_ - begin);
  }

  std::string_view body_;
  std::size_t at_ = 0;
};

void append(std::vector<std::string>& lines, const Node& node, std::size_t indent, std::string_view behind) {
  std::string line(indent, ' ');
  if (!node.name.empty()) line += node.name + ": ";
  if (node.opening == 0) {
    lines.push_back(line.append(node.text).append(behind));
    return;
  }
  char closing = node.opening == '{' ? '}' : ']';
  line += node.opening;
  if (node.children.empty() && node.is_closed) {
    lines.push_back(line.append(1, closing).append(behind));
    return;
  }
  lines.push_back(std::move(line));
  for (const auto& child : node.children)
    append(lines, child, indent + 2, &child == &node.children.back() ? "" : ",");
  if (node.is_closed) lines.push_back(std::string(indent, ' ').append(1, closing).append(behind));
}

}  // namespace

std::vector<std::string> json_lines(std::string_view body) {
  std::vector<std::string> lines;
  Reader reader(body);
  while (!reader.at_end()) append(lines, reader.read(0), 0, "");
  return lines;
}

std::string visible(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto c = static_cast<unsigned char>(text[at]);
    auto next = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0u;
    if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
      out += fmt::format("\\x{:02x}", next);
      ++at;
    } else if (c == '\t') {
      out += "  ";
    } else if (c < ' ' || c == 0x7f) {
      out += fmt::format("\\x{:02x}", c);
    } else {
      out += text[at];
    }
  }
  return out;
}

}  // namespace oxbow
