// What the gateway has done for users, in numbers that only grow, and what it holds now.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/side.hpp"

namespace oxbow {

// Upper bounds of the classes of time that an answer took, in seconds; what took longer has a class of its
// own.
inline constexpr std::array kAnswerSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                              0.25,  0.5,    1.0,   2.5,  5.0,   10.0};

struct RequestFigures {
  // Requests that one side was to answer.
  struct OfSide {
    std::array<std::uint64_t, 6> by_status_class{};  // [2]: 200 to 299; [0]: the client got no answer
    std::array<std::uint64_t, kAnswerSeconds.size() + 1> by_time{};
    double seconds = 0;               // together
    std::uint64_t not_passed_on = 0;  // answered for it, because it answers nothing in time
  };

  struct Address {
    Side side = Side::legacy;
    std::string address;
    bool is_left_alone = false;  // by users, now
    bool fails_users = false;    // it has not answered since it was left alone, or its health answers are bad
    bool fails_shadows = false;
  };

  OfSide legacy;
  OfSide new_side;
  std::uint64_t under_way = 0;
  std::uint64_t refused = 0;      // what was no request that could be answered
  std::uint64_t shed = 0;         // requests above the limit
  std::uint64_t turned_away = 0;  // connections above the limit
  std::uint64_t connections = 0;  // of users, open now
  std::uint64_t shadow_bytes = 0;
  std::uint64_t log_lines_lost = 0;  // of the access log
  std::vector<Address> addresses;
};

}  // namespace oxbow
