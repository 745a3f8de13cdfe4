// Whom a request touches: the key of the entity out of its path, query, header or cookie. A key in the body
// is found by body_key_scanner.hpp. Pure functions.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "core/routing/route_table.hpp"

namespace oxbow {

enum class KeyFound {
  yes,
  none_declared,  // the route names no single key
  in_body,        // not looked for yet
  absent,
  twice,      // it stands there more than once: a service may take either
  malformed,  // escapes that are none
  not_plain,  // not as the database prints it, or in a way that services read differently
  not_json,   // of a body
  too_far     // of a body: not in the part that was looked at
};

inline constexpr std::array kKeyFoundNames = {
    std::string_view("yes"),       std::string_view("none-declared"), std::string_view("in-body"),
    std::string_view("absent"),    std::string_view("twice"),         std::string_view("malformed"),
    std::string_view("not-plain"), std::string_view("not-json"),      std::string_view("too-far")};

constexpr std::string_view name(KeyFound found) {
  return kKeyFoundNames[static_cast<std::size_t>(found)];
}

struct RequestKey {
  KeyFound found = KeyFound::absent;
  std::string_view text;  // set if found

  friend bool operator==(const RequestKey&, const RequestKey&) = default;
};

// `buffer` holds the key where it has to be decoded; the text lives as long as it and the head.
// REQUIRES: match.route
RequestKey find_key(const RouteTable& table, const RouteMatch& match, const RequestHead& head,
                    std::string& buffer);

// The value of one parameter, decoded. One whose name differs only in case makes the key `not_plain`, because
// some services ignore the case of names.
RequestKey find_in_query(std::string_view query, std::string_view name, std::string& buffer);
RequestKey find_in_header(const HeaderFields& fields, std::string_view name);
RequestKey find_in_cookies(const HeaderFields& fields, std::string_view name);

}  // namespace oxbow
