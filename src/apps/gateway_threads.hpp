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

  // Routes, read classes, rules and cohorts of another spec of the same migration, ready to be taken over, so
  // that nothing can be wrong with them then. `spec_invalid` if a rule makes no sense.
  struct Prepared {
    std::shared_ptr<const Routes> routes;
    KeyKinds key_kinds;  // that they were made with
  };
  static Result<Prepared> prepare(const Spec& spec, const DataFacts& facts);

  // Requests are decided by `spec` and these states from now on, a request that came before as well if it is
  // not decided yet. REQUIRES: prepare() made `prepared` of `spec`; cohorts that differ are in `legacy`
  void take_over(const Spec& spec, Prepared prepared, const Lifecycle& lifecycle, const DataFacts& facts);

  // The access log goes on in the file that has its name now. Any thread.
  void reopen_access_log();

  const Gateway& gateway() const;

 private:
  struct Impl;
  explicit GatewayThreads(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow
