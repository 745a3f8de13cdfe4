// Why a request was not compared. Every eligible request is counted, under one of these or as compared.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace oxbow {

enum class ShadowSkip {
  none,        // it has a shadow
  not_wanted,  // unlisted, or its state or route has no shadow
  method,      // it may change something, and the route declares no safe way
  sampled_out,
  kept_away,   // by an order
  not_copied,  // rows of its cohort are still on their way to the other side
  body_too_large,
  budget,        // the memory of all shadows is used up
  connections,   // all connections for shadows are busy
  left_alone,    // the other side failed too often
  no_answer,     // the user got none from the side that answers
  early_answer,  // the user got one before all of his request had come
  upgraded,
  type,         // an answer without an end, as of server-sent events
  no_body,      // a HEAD on the route of its GET
  conditional,  // the answer depends on what the client knows of the side that gave it
  unreachable,  // from here on: of the shadow's own way
  timeout,
  broken_off,
  answer_too_large,
  not_comparable  // the comparison says why
};

inline constexpr std::array kShadowSkipNames = {
    std::string_view("copied"),         std::string_view("not_wanted"),
    std::string_view("method"),         std::string_view("sampled_out"),
    std::string_view("kept_away"),      std::string_view("not_copied"),
    std::string_view("body_too_large"), std::string_view("budget"),
    std::string_view("connections"),    std::string_view("left_alone"),
    std::string_view("no_answer"),      std::string_view("early_answer"),
    std::string_view("upgraded"),       std::string_view("type"),
    std::string_view("no_body"),        std::string_view("conditional"),
    std::string_view("unreachable"),    std::string_view("timeout"),
    std::string_view("broken_off"),     std::string_view("answer_too_large"),
    std::string_view("not_comparable")};

constexpr std::string_view name(ShadowSkip skip) {
  return kShadowSkipNames[static_cast<std::size_t>(skip)];
}

}  // namespace oxbow
