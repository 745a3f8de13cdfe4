#include "core/evidence/answer_path.hpp"

#include <algorithm>

#include "core/evidence/secret_text.hpp"
#include "core/evidence/shown_text.hpp"

namespace oxbow {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '$' || c == '@' || static_cast<unsigned char>(c) >= 0x80;
}

// Whether the steps of a path begin with those that are wanted; `..` skips any number of steps.
bool begins_with(std::string_view rest, std::string_view wanted) {
  while (!wanted.empty()) {
    if (wanted.starts_with("..")) {
      wanted.remove_prefix(1);
      while (!begins_with(rest, wanted)) {
        if (rest.empty()) return false;
        take_step(rest);
      }
      return true;
    }
    if (rest.empty()) return false;
    auto want = take_step(wanted), step = take_step(rest);
    bool is_member = !member_of(step).empty();
    if (want != step && !(want == ".*" && is_member) && !(want == "[*]" && !is_member)) return false;
  }
  return true;
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
  bool plain = !key.empty() && std::ranges::all_of(key, is_plain);
  path.append(plain ? "." : "[\"").append(key).append(plain ? "" : "\"]");
}

bool leads_to(std::string_view rule, std::string_view path) {
  return root_of(rule) == root_of(path) && begins_with(steps_of(path), steps_of(rule));
}

std::string shown_path(std::string_view path, std::size_t bytes_max) {
  std::string shown;
  // Most paths have plain names only, and those hold neither addresses nor tokens.
  if (path.find("[\"") != std::string_view::npos) {
    shown = root_of(path);
    auto rest = steps_of(path);
    while (!rest.empty() && shown.size() < bytes_max) {
      auto step = take_step(rest);
      bool is_data = without_secrets(step) != step;
      shown += is_data ? ".*" : step;
    }
    path = shown;
  }
  // A byte that is no text becomes three.
  auto text = as_utf8(cut_at_character(path, bytes_max));
  return std::string(cut_at_character(text, bytes_max));
}

}  // namespace oxbow
