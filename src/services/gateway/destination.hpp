// Where one request goes, and why. Its texts belong to the routing that decided, which it keeps alive.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/side.hpp"
#include "model/state.hpp"
#include "services/gateway/routing.hpp"
#include "services/gateway/shadow_skip.hpp"

namespace oxbow {

struct Destination {
  // What comes by a stream, and has not come yet.
  struct Missing {
    Side source;
    std::uint64_t beat;  // the first one behind it
  };

  Side side = Side::legacy;                         // that answers
  ShadowSkip shadow_skip = ShadowSkip::not_wanted;  // none: the other side gets a shadow
  bool waits = false;                               // ask again when the routing has changed
  bool writes = false;
  std::optional<Missing> missing;    // the answering side may lack what the client has done: ask again later
  bool tells_seen = false;           // the client is told how far it has seen
  std::string shadow_target;         // where the shadow goes there; empty: as the request
  bool takes_twin = false;           // legacy is asked once more, to see its own noise
  std::optional<std::size_t> route;  // in the routing's table; none: unlisted
  std::string_view entity;
  std::string_view cohort;
  std::optional<State> state;
  std::string_view reason;
  bool shows_state = false;
  std::shared_ptr<const Routing> routing;
};

}  // namespace oxbow
