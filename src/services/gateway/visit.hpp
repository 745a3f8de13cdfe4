// What is known of one request when it is over: for the access log, the figures and the shadow.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "model/side.hpp"
#include "model/state.hpp"
#include "services/gateway/routing.hpp"
#include "services/gateway/shadow_skip.hpp"

namespace oxbow {

struct Visit {
  Instant began{};
  WallTime at{};
  Side side = Side::legacy;
  std::optional<State> state;
  std::shared_ptr<const Routing> routing;  // holds the texts below
  std::optional<std::size_t> route;        // none: unlisted
  std::string_view entity;
  std::string_view cohort;
  std::string_view reason;  // why this side
  int status = 0;           // 0: the client got none
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  int attempts = 0;
  bool client_gone = false;
  bool is_shed = false;           // refused, because too many were under way
  bool is_not_passed_on = false;  // refused, because the side answers nothing in time
  std::string failure;            // of the side that was to answer
  ShadowSkip shadow = ShadowSkip::not_wanted;
};

}  // namespace oxbow
