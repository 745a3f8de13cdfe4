// The gateway on its own threads, one for users and one for shadows, over real sockets.
#pragma once

#include <memory>

#include "model/spec.hpp"
#include "services/gateway/gateway.hpp"

namespace oxbow {

class GatewayThreads {
 public:
  // Listens at once, so that an address that is taken is known; serves from start() on. `spec` and
  // the others outlive it; without exemplars, what differs is forgotten at the end. REQUIRES: the spec has a
  // gateway
  static Result<std::unique_ptr<GatewayThreads>> open(const Spec& spec, ExemplarStore* exemplars,
                                                      BeatBoard& beats);

  // Gives requests under way their time.
  ~GatewayThreads();

  void start();

  // Requests are decided by these states from now on.
  void publish(const Lifecycle& lifecycle, const DataFacts& facts);

  // Routes, read classes and rules of another spec of the same migration, from the next request on.
  // `illegal_transition` if its cohorts are others, because keys would move.
  Status take_over(const Spec& spec, const Lifecycle& lifecycle, const DataFacts& facts);

  // The access log goes on in the file that has its name now. Any thread.
  void reopen_access_log();

  const Gateway& gateway() const;

 private:
  struct Impl;
  explicit GatewayThreads(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow
