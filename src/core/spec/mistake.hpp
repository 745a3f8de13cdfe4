// What is wrong in a spec file. All mistakes of a file are collected and shown at once, in the order of the
// file. Plain values.
#pragma once

#include <fmt/core.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "model/spec.hpp"

namespace oxbow {

struct Mistake {
  enum class Kind { wrong, undecided };

  Kind kind = Kind::wrong;
  Mark mark;
  std::string sentence;      // what is wrong and what was expected, without a full stop
  std::string nearest = {};  // the word that was probably meant, or empty

  friend bool operator==(const Mistake&, const Mistake&) = default;
};

// "oxbow.yaml:12:7: unknown key 'tabels'; expected one of tables, routes; did you mean 'tables'?"
std::string to_string(const Mistake& mistake, std::string_view file_name);

// `spec_undecided` if nothing is left but open decisions, else `spec_invalid`. REQUIRES: at least one
// mistake.
ErrorCode code_of(std::span<const Mistake> mistakes);

// All of them, a line each.
Error to_error(std::span<const Mistake> mistakes, std::string_view file_name);

// Collects mistakes while a file is read.
class Mistakes {
 public:
  template <class... Args>
  void add(Mark mark, fmt::format_string<Args...> format, Args&&... args) {
    list_.push_back({.mark = mark, .sentence = fmt::format(format, std::forward<Args>(args)...)});
  }

  // `expected` are the words that would have been right; the one nearest to `word` is suggested.
  void add_unknown_word(Mark mark, std::string sentence, std::string_view word,
                        std::span<const std::string_view> expected);

  void add_undecided(Mark mark, std::string sentence) {
    list_.push_back({.kind = Mistake::Kind::undecided, .mark = mark, .sentence = std::move(sentence)});
  }

  void add(Mistake mistake) { list_.push_back(std::move(mistake)); }

  std::size_t size() const { return list_.size(); }

  std::vector<Mistake> take_sorted();  // by place in the file

 private:
  std::vector<Mistake> list_;
};

// "a, b, c"
std::string join(std::span<const std::string_view> words);

}  // namespace oxbow
