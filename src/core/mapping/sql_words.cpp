#include "core/mapping/sql_words.hpp"

#include <algorithm>

namespace oxbow {
namespace {

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool is_word(char c) {
  return is_word_start(c) || (c >= '0' && c <= '9') || c == '$';
}

class Words {
 public:
  explicit Words(std::string_view sql) : rest_(sql) {}

  std::set<std::string> read() {
    while (!rest_.empty()) step();
    return std::move(names_);
  }

 private:
  void step() {
    char c = rest_.front();
    if (c == '\'') return skip_string(false);
    if (c == '"') return take_quoted();
    if (rest_.starts_with("--")) return skip_past("\n");
    if (rest_.starts_with("/*")) return skip_past("*/");
    if (rest_.starts_with("::")) return skip_cast();
    if (c == '$' && skip_dollar_string()) return;
    if (is_word_start(c)) return take_word();
    if (is_word(c)) return drop(word_length());  // a number or $1
    drop(1);
  }

  void drop(std::size_t count) { rest_.remove_prefix(std::min(count, rest_.size())); }

  void skip_past(std::string_view end) {
    auto at = rest_.find(end);
    drop(at == std::string_view::npos ? rest_.size() : at + end.size());
  }

  void skip_string(bool escapes) {
    drop(1);
    while (!rest_.empty() && rest_.front() != '\'') drop(escapes && rest_.front() == '\\' ? 2 : 1);
    drop(1);
  }

  bool skip_dollar_string() {
    auto end = rest_.find('$', 1);
    if (end == std::string_view::npos) return false;
    auto tag = rest_.substr(0, end + 1);
    auto inner = tag.substr(1, tag.size() - 2);
    bool starts_well = inner.empty() || is_word_start(inner.front());
    if (!starts_well || !std::ranges::all_of(inner, is_word)) return false;
    drop(tag.size());
    skip_past(tag);
    return true;
  }

  // The type behind a cast is no column, whatever it is called.
  void skip_cast() {
    drop(2);
    while (rest_.starts_with(' ')) drop(1);
    if (rest_.starts_with('"')) {
      drop(quoted_length());
    } else {
      drop(word_length());
    }
  }

  std::size_t word_length() const {
    std::size_t length = 0;
    while (length < rest_.size() && is_word(rest_[length])) ++length;
    return length;
  }

  std::size_t quoted_length() const {
    std::size_t at = 1;
    while (at < rest_.size() && (rest_[at] != '"' || rest_.substr(at + 1).starts_with('"')))
      at += rest_[at] == '"' ? 2 : 1;
    return std::min(at + 1, rest_.size());
  }

  void take_quoted() {
    auto quoted = rest_.substr(0, quoted_length());
    std::string name;
    for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
      name += quoted[i];
      if (quoted[i] == '"') ++i;
    }
    drop(quoted.size());
    names_.insert(std::move(name));
  }

  void take_word() {
    std::string word(rest_.substr(0, word_length()));
    drop(word.size());
    if (rest_.starts_with('\'')) return skip_string(word == "e" || word == "E");
    auto behind = rest_.substr(std::min(rest_.find_first_not_of(' '), rest_.size()));
    if (behind.starts_with('(')) return;  // a function
    std::ranges::transform(word, word.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; });
    names_.insert(std::move(word));
  }

  std::string_view rest_;
  std::set<std::string> names_;
};

}  // namespace

std::set<std::string> possible_column_names(std::string_view expression) {
  return Words(expression).read();
}

}  // namespace oxbow
