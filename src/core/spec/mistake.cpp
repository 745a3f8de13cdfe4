#include "core/spec/mistake.hpp"

#include <algorithm>
#include <tuple>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace oxbow {

std::string to_string(const Mistake& mistake, std::string_view file_name) {
  auto out = fmt::format("{}:{}:{}: {}", file_name, mistake.mark.line, mistake.mark.column, mistake.sentence);
  if (!mistake.nearest.empty()) out += fmt::format("; did you mean '{}'?", mistake.nearest);
  return out;
}

ErrorCode code_of(std::span<const Mistake> mistakes) {
  OXBOW_ASSERT(!mistakes.empty(), "a spec without mistakes has no error code");
  bool only_undecided =
      std::ranges::all_of(mistakes, [](const Mistake& m) { return m.kind == Mistake::Kind::undecided; });
  return only_undecided ? ErrorCode::spec_undecided : ErrorCode::spec_invalid;
}

Error to_error(std::span<const Mistake> mistakes, std::string_view file_name) {
  std::string lines;
  for (const auto& mistake : mistakes) lines += "\n  " + to_string(mistake, file_name);
  return {code_of(mistakes), std::move(lines)};
}

void Mistakes::add_unknown_word(Mark mark, std::string sentence, std::string_view word,
                                std::span<const std::string_view> expected) {
  list_.push_back(
      {.mark = mark, .sentence = std::move(sentence), .nearest = std::string(nearest_word(word, expected))});
}

std::vector<Mistake> Mistakes::take_sorted() {
  std::ranges::sort(list_, {},
                    [](const Mistake& m) { return std::tie(m.mark.line, m.mark.column, m.sentence); });
  return std::move(list_);
}

std::string join(std::span<const std::string_view> words) {
  std::string out;
  for (auto word : words) {
    if (!out.empty()) out += ", ";
    out += word;
  }
  return out;
}

}  // namespace oxbow
