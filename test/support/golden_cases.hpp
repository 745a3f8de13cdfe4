// Golden files of cases: a title behind "# ", lines that go in, "----", lines that came out, an empty line. A
// Case is a type with a `title` and a `read(line)` for what goes in.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow::golden {

using Lines = std::vector<std::string>;

inline Lines cut(std::string_view text, std::string_view separator) {
  Lines parts;
  for (;;) {
    auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + separator.size());
  }
}

inline Lines words_of(std::string_view text) {
  Lines words;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// "parity" for test/golden/parity.
inline std::string path_of(std::string_view folder) {
  return OXBOW_SOURCE_DIR "/test/golden/" + std::string(folder);
}

inline Lines files_in(std::string_view folder) {
  Lines names;
  for (const auto& entry : std::filesystem::directory_iterator(path_of(folder)))
    if (entry.path().extension() == ".txt") names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

// The cases of a file, without what they give.
template <class Case>
std::vector<Case> read_cases(const std::string& path) {
  std::vector<Case> cases;
  std::ifstream file(path);
  bool in_output = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("# ")) {
      cases.emplace_back().title = line.substr(2);
      in_output = false;
    } else if (line == "----") {
      in_output = true;
    } else if (!line.empty() && !in_output) {
      cases.back().read(line);
    }
  }
  EXPECT_FALSE(cases.empty()) << path;
  return cases;
}

// What `describe` gives for each case must be what stands behind its dashes. With OXBOW_UPDATE_GOLDEN=1 the
// file is written anew; then the difference is to be reviewed.
template <class Case, class Describe>
void expect_unchanged(const std::string& path, Describe describe) {
  auto cases = read_cases<Case>(path);
  auto next = cases.begin();
  std::ifstream file(path);
  std::string expected, actual;
  bool in_output = false;
  for (std::string line; std::getline(file, line);) {
    expected += line + "\n";
    if (line.empty()) in_output = false;
    if (in_output) continue;
    actual += line + "\n";
    if (line != "----") continue;
    in_output = true;
    for (const auto& given : describe(*next++)) actual += given + "\n";
  }
  if (std::getenv("OXBOW_UPDATE_GOLDEN")) std::ofstream(path) << actual;
  EXPECT_EQ(actual, expected);
}

}  // namespace oxbow::golden
