// The gateway on its own thread, over real sockets.
#pragma once

#include <memory>

#include "model/spec.hpp"
#include "services/gateway/gateway.hpp"

namespace oxbow {

class GatewayThread {
 public:
  // Listens at once, so that an address that is taken is known; serves from start() on. `spec` outlives it.
  // REQUIRES: the spec has a gateway
  static Result<std::unique_ptr<GatewayThread>> open(const Spec& spec);

  // Gives requests under way their time.
  ~GatewayThread();

  void start();

  // Requests are decided by these states from now on. Any thread.
  void publish(const Lifecycle& lifecycle);

 private:
  struct Impl;
  explicit GatewayThread(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow
