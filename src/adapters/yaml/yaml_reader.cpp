#include "adapters/yaml/yaml_reader.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <map>
#include <spanstream>
#include <utility>

namespace oxbow {
namespace {

constexpr std::size_t kDepthMax = 50;
constexpr std::size_t kNodesMax = 200'000;

// Ends the reading from inside the library's callbacks; caught in read_yaml().
struct Refusal {
  YAML::Mark mark;
  std::string sentence;
};

// The place of the first byte that is not part of UTF-8 text, or npos.
std::size_t find_non_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto lead = static_cast<unsigned char>(text[i]);
    std::size_t length = lead < 0x80   ? 1
                         : lead < 0xc2 ? 0
                         : lead < 0xe0 ? 2
                         : lead < 0xf0 ? 3
                         : lead < 0xf5 ? 4
                                       : 0;
    bool control = lead < 0x20 && lead != '\t' && lead != '\n' && lead != '\r';
    if (length == 0 || control || i + length > text.size()) return i;
    for (std::size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return i;
    i += length;
  }
  return std::string_view::npos;
}

// Places in the text, from the byte offsets that the library hands out.
class Places {
 public:
  explicit Places(std::string_view text) : text_(text) {}

  Mark at(const YAML::Mark& mark) { return mark.is_null() ? Mark{} : at_offset(offset(mark)); }

  // Goes on from the place asked for before, because places are asked for nearly in order.
  Mark at_offset(std::size_t offset) {
    if (offset < known_offset_) {
      known_offset_ = 0;
      known_ = {1, 1};
    }
    for (; known_offset_ < offset; ++known_offset_) {
      if (text_[known_offset_] == '\n') {
        known_ = {known_.line + 1, 1};
      } else if ((static_cast<unsigned char>(text_[known_offset_]) & 0xc0) != 0x80) {
        ++known_.column;
      }
    }
    return known_;
  }

  // False for a quoted scalar that runs to the end of the file, which the library lets pass.
  bool is_closed(const YAML::Mark& mark) const {
    auto at = offset(mark);
    char quote = at < text_.size() ? text_[at] : '\0';
    if (quote != '"' && quote != '\'') return true;
    for (++at; at < text_.size(); ++at) {
      if (quote == '"' && text_[at] == '\\') {
        ++at;
      } else if (text_[at] == quote) {
        bool doubled = quote == '\'' && text_.substr(at + 1).starts_with(quote);
        if (!doubled) return true;
        ++at;
      }
    }
    return false;
  }

  // What is written behind a plain scalar on its line, if only closing brackets stand between.
  std::string comment_behind(const YAML::Mark& mark, std::string_view scalar) const {
    auto behind = text_.substr(offset(mark));
    if (!behind.starts_with(scalar)) return {};
    behind.remove_prefix(scalar.size());
    auto hash = behind.find_first_not_of(" \t,]}");
    if (hash == std::string_view::npos || hash == 0 || behind[hash] != '#') return {};
    auto comment = behind.substr(hash, behind.find_first_of("\r\n", hash) - hash);
    comment.remove_prefix(std::min(comment.find_first_not_of("# \t"), comment.size()));
    return std::string(comment.substr(0, comment.find_last_not_of(" \t") + 1));
  }

 private:
  std::size_t offset(const YAML::Mark& mark) const {
    return std::min(text_.size(), static_cast<std::size_t>(std::max(0, mark.pos)));
  }

  std::string_view text_;
  std::size_t known_offset_ = 0;
  Mark known_{1, 1};
};

std::size_t node_count(const SpecNode& node) {
  std::size_t count = 1;
  for (const auto& item : node.items) count += node_count(item);
  for (const auto& [key, value] : node.entries) count += node_count(key) + node_count(value);
  return count;
}

// Builds the tree from the library's events: a stack of containers still open, the innermost last.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Places& places) : places_(places) {}

  SpecNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, anchor, SpecNode{.mark = places_.at(mark)});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    SpecNode node{
        .kind = SpecNode::Kind::scalar, .text = value, .quoted = tag != "?", .mark = places_.at(mark)};
    if (node.quoted && !places_.is_closed(mark)) throw Refusal{mark, "this quote is not closed"};
    if (!node.quoted) node.comment = places_.comment_behind(mark, value);
    add(mark, anchor, std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto at = anchored_.find(anchor);
    if (at == anchored_.end()) throw Refusal{mark, "this alias stands inside the value that it names"};
    count(mark, node_count(at->second));
    attach(mark, SpecNode(at->second));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, SpecNode::Kind::sequence);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, SpecNode::Kind::map);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    SpecNode node;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    bool awaits_value = false;  // of a map: its last key has no value yet
  };

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, SpecNode::Kind kind) {
    if (open_.size() == kDepthMax) throw Refusal{mark, "this is nested too deeply for a spec"};
    count(mark, 1);
    open_.push_back({.node = {.kind = kind, .mark = places_.at(mark)}, .mark = mark, .anchor = anchor});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    remember(done.anchor, done.node);
    attach(done.mark, std::move(done.node));
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, SpecNode node) {
    count(mark, 1);
    remember(anchor, node);
    attach(mark, std::move(node));
  }

  void remember(YAML::anchor_t anchor, const SpecNode& node) {
    if (anchor != 0) anchored_[anchor] = node;
  }

  void count(const YAML::Mark& mark, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > kNodesMax) throw Refusal{mark, "this file holds more values than a spec can need"};
  }

  void attach(const YAML::Mark& mark, SpecNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    auto& parent = open_.back();
    if (parent.node.is_sequence()) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.awaits_value) {
      parent.node.entries.back().value = std::move(node);
      parent.awaits_value = false;
    } else {
      if (!node.is_scalar()) throw Refusal{mark, "a key must be a single word"};
      parent.node.entries.push_back({std::move(node), {}});
      parent.awaits_value = true;
    }
  }

  Places& places_;
  SpecNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, SpecNode> anchored_;
  std::size_t nodes_ = 0;
};

std::unexpected<Error> unreadable(std::string_view file_name, Mark mark, std::string_view sentence) {
  return Err(ErrorCode::spec_unreadable, "{}:{}:{}: {}", file_name, mark.line, mark.column, sentence);
}

}  // namespace

Result<SpecNode> read_yaml(std::string_view text, std::string_view file_name) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (text.size() > kSpecBytesMax)
    return unreadable(file_name, {1, 1}, "the file is larger than 4 MiB; is it a spec?");
  Places places(text);
  if (auto bad = find_non_text(text); bad != std::string_view::npos)
    return unreadable(file_name, places.at_offset(bad),
                      "this byte is not UTF-8 text; save the file as UTF-8");

  try {
    std::ispanstream stream(std::span(text.data(), text.size()));
    YAML::Parser parser(stream);
    TreeBuilder builder(places);
    if (!parser.HandleNextDocument(builder)) return unreadable(file_name, {1, 1}, "the file is empty");
    TreeBuilder ignored(places);
    if (parser.HandleNextDocument(ignored))
      return unreadable(file_name, {1, 1}, "the file holds several documents (---); a spec is one");
    return builder.take();
  } catch (const Refusal& refusal) {
    return unreadable(file_name, places.at(refusal.mark), refusal.sentence);
  } catch (const YAML::Exception& error) {
    return unreadable(
        file_name, places.at(error.mark),
        fmt::format("this is not YAML: {}; check the indentation, and that every quote and bracket "
                    "is closed",
                    error.msg));
  }
}

}  // namespace oxbow
