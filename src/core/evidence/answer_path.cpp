#include "core/evidence/answer_path.hpp"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "core/evidence/secret_text.hpp"
#include "core/evidence/shown_text.hpp"
#include "core/spec/answer_path.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kLongMark = ".…";
constexpr std::size_t kLongMarkBytes = kLongMark.size() + 12;

// Two names of one member may be written in two ways: `.a` and `["a"]`.
bool is_wanted(std::string_view step, std::string_view want) {
  auto member = member_of(step), wanted = member_of(want);
  if (member.empty()) return step == want || want == "[*]";
  return member == wanted || want == ".*" || (step == ".*" && !wanted.empty());
}

// Whether the steps of a path begin with those that are wanted, and, if `to_the_end`, have no more; `..`
// skips any number of steps.
bool begins_with(std::string_view rest, std::string_view wanted, bool to_the_end) {
  while (!wanted.empty()) {
    if (wanted.starts_with("..")) {
      wanted.remove_prefix(1);
      while (!begins_with(rest, wanted, to_the_end)) {
        if (rest.empty()) return false;
        take_step(rest);
      }
      return true;
    }
    if (rest.empty()) return false;
    auto want = take_step(wanted), step = take_step(rest);
    if (!is_wanted(step, want)) return false;
  }
  return !to_the_end || rest.empty();
}

std::optional<std::uint32_t> unit_of(std::string_view digits) {
  std::uint32_t unit = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  if (digits.size() != 4 || error != std::errc{} || end != digits.data() + 4) return std::nullopt;
  return unit;
}

// Of anything between quotes, even if it is not valid: then an escape stays as it is.
std::string unescaped_key(std::string_view key) {
  constexpr std::string_view kNames = "\"\\/bfnrt", kMeans = "\"\\/\b\f\n\r\t";
  std::string text;
  for (std::size_t at = 0; at < key.size(); ++at) {
    auto name = key[at] == '\\' && at + 1 < key.size() ? kNames.find(key[at + 1]) : std::string_view::npos;
    auto unit = key.substr(at).starts_with("\\u") ? unit_of(key.substr(at + 2, 4)) : std::nullopt;
    if (unit) {
      at += 5;
      auto low = key.substr(at + 1).starts_with("\\u") ? unit_of(key.substr(at + 3, 4)) : std::nullopt;
      if ((*unit & 0xfc00) == 0xd800 && low && (*low & 0xfc00) == 0xdc00) {
        *unit = 0x10000 + ((*unit & 0x3ff) << 10 | (*low & 0x3ff));
        at += 6;
      }
      append_utf8(*unit, text);
    } else if (name != std::string_view::npos) {
      text += kMeans[name];
      ++at;
    } else {
      text += key[at];
    }
  }
  return text;
}

}  // namespace

std::string_view take_step(std::string_view& rest) {
  std::size_t end = 0;
  if (rest.starts_with("[\"")) {
    end = 2;
    while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
    end = std::min(end + 2, rest.size());
  } else {
    end = std::min(rest.find_first_of(".[", 1), rest.size());
  }
  auto step = rest.substr(0, end);
  rest.remove_prefix(end);
  return step;
}

std::string_view member_of(std::string_view step) {
  if (step.starts_with('.')) return step.substr(1);
  return step.starts_with("[\"") && step.size() > 4 ? step.substr(2, step.size() - 4) : std::string_view();
}

std::string_view steps_of(std::string_view path) {
  return path.substr(std::min(path.find_first_of(".["), path.size()));
}

std::string_view root_of(std::string_view path) {
  return path.substr(0, path.size() - steps_of(path).size());
}

void append_member(std::string& path, std::string_view key) {
  append_path_step(unescaped_key(key), path);
}

bool leads_to(std::string_view rule, std::string_view path) {
  return root_of(rule) == root_of(path) && begins_with(steps_of(path), steps_of(rule), false);
}

bool is_exactly(std::string_view rule, std::string_view path) {
  return root_of(rule) == root_of(path) && begins_with(steps_of(path), steps_of(rule), true);
}

std::string shown_path(std::string_view path, std::size_t bytes_max) {
  std::string shown = as_utf8(root_of(path));
  auto rest = steps_of(path);
  bool is_long = shown.size() > bytes_max;
  std::size_t fits = 0;  // whole steps with room for the mark behind them
  std::uint64_t hash = 0;
  while (true) {
    if (!is_long && shown.size() + kLongMarkBytes <= bytes_max) fits = shown.size();
    if (rest.empty()) break;
    auto step = take_step(rest);
    // Plain names hold neither addresses nor tokens, and what is longer than all is never shown.
    bool may_be_data = step.starts_with("[\"") && step.size() <= bytes_max;
    if (may_be_data && without_secrets(step) != step) step = ".*";
    hash = XXH3_64bits_withSeed(step.data(), step.size(), hash);
    if (!is_long) shown += as_utf8(step.substr(0, bytes_max + 1));
    is_long = is_long || shown.size() > bytes_max;
  }
  if (!is_long) return shown;
  shown.resize(fits);
  shown += fmt::format("{}{:012x}", kLongMark, hash >> 16);
  return std::string(cut_at_character(shown, bytes_max));
}

std::optional<std::string_view> beginning_of_long(std::string_view shown_path) {
  if (shown_path.size() < kLongMarkBytes) return std::nullopt;
  auto mark = shown_path.substr(shown_path.size() - kLongMarkBytes);
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!mark.starts_with(kLongMark) || !std::ranges::all_of(mark.substr(kLongMark.size()), is_hex))
    return std::nullopt;
  return shown_path.substr(0, shown_path.size() - kLongMarkBytes);
}

}  // namespace oxbow
