// The services of both sides.
#pragma once

#include "model/side.hpp"
#include "services/gateway/upstream.hpp"

namespace oxbow {

struct Upstreams {
  Upstream legacy;
  Upstream new_side;

  const Upstream& of(Side side) const { return side == Side::legacy ? legacy : new_side; }
  Upstream& of(Side side) { return side == Side::legacy ? legacy : new_side; }
};

}  // namespace oxbow
