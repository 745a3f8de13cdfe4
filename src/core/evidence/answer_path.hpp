// Paths into answers, as differences and rules write them: `$`, or `header`, and then steps: `.name`,
// `["any name"]`, `[*]`, `[3]`. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace oxbow {

// Takes the first step off `rest`, which begins behind the root.
std::string_view take_step(std::string_view& rest);

std::string_view member_of(std::string_view step);  // its name; empty for an element of an array
std::string_view root_of(std::string_view path);    // "$" for the body, "header" for a field of the head
std::string_view steps_of(std::string_view path);   // what is behind the root

// `key` as it stands in JSON between its quotes; "\\u00e9" is "é".
void append_member(std::string& path, std::string_view key);

// Whether `path` is what `rule` names, or lies inside of it. `.*` in a rule is any member, `[*]` any element,
// and `..` any number of steps. A step `.*` of the path itself may be any member.
bool leads_to(std::string_view rule, std::string_view path);

bool is_exactly(std::string_view rule, std::string_view path);  // `path` is what `rule` names

// The path for all to see: a member whose name looks like a secret or an address is `.*`, as any member that
// is named by data, so that it also counts together with its neighbours. One that is longer than `bytes_max`
// ends behind a whole step, with a mark that tells it apart from others with this beginning:
// "$.a.b.…3f9a12c07b1e".
std::string shown_path(std::string_view path, std::size_t bytes_max);

// What stands before such a mark, where a shown path has one.
std::optional<std::string_view> beginning_of_long(std::string_view shown_path);

constexpr std::size_t kShownPathBytesMax = 1024;  // of differences that are counted

}  // namespace oxbow
