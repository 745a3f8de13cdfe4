// The HTTP gateway in front of both services: takes connections, lets each request be forwarded, and keeps
// what it saw in figures. Users have a thread of their own, so that nothing else of oxbow can make them wait,
// and so have shadows; the calls marked "any thread" are safe from others.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "model/gateway_spec.hpp"
#include "services/control/beat_board.hpp"
#include "services/gateway/access_log.hpp"
#include "services/gateway/forwarder.hpp"
#include "services/gateway/http2_connection.hpp"
#include "services/gateway/judge.hpp"
#include "services/gateway/request_counter.hpp"
#include "services/gateway/shadow_runner.hpp"

namespace oxbow {

// What the gateway is made of that is not its own.
struct GatewayParts {
  struct Line {                             // to the services
    boost::asio::any_io_executor executor;  // of one thread
    Dialer& dialer;                         // belongs to it
  };

  const Spec& spec;  // REQUIRES: it has a gateway
  Line users;
  Line shadows;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::shared_ptr<const Routing> routing;
  ExemplarStore* exemplars = nullptr;
  BeatBoard& beats;
  std::function<WallTime()> now;
  std::uint64_t seed = 0;
};

class Gateway final : public TrafficPlane {
 public:
  explicit Gateway(GatewayParts parts);
  ~Gateway() override;

  // Serves until it is cancelled; then takes no more connections and gives requests under way their time. On
  // the users' executor.
  Task<void> run();

  // Asks the other side until it is cancelled. On the shadows' executor, longer than users are served.
  Task<void> run_shadows();

  // From now on requests are decided by this. Any thread.
  void publish(std::shared_ptr<const Routing> routing);

  // The access log goes on in the file that has its name now. Any thread.
  void reopen_access_log() { access_log_.reopen(); }

  // Any thread.
  void look(const std::function<void(const AnswersKnown&)>& read) const override { judge_.look(read); }
  std::vector<EntitySkew> skew() const override { return skew_.report(); }
  RequestFigures requests() const override;
  bool has_settled(const Scope& scope) const override { return hold_.has_settled(scope); }
  std::string spec_hash() const override { return router_.spec_hash(); }

 private:
  Task<void> accept(Listener& listener);
  Task<void> serve(std::unique_ptr<ByteStream> stream);
  Task<void> serve_http2(std::unique_ptr<ByteStream> stream, std::string begun);
  boost::asio::awaitable<void> answer(ClientExchange& exchange);
  std::list<ClientSession*>::iterator enter(ClientSession& client);
  void leave(std::list<ClientSession*>::iterator place);
  void refused(const http1::Requester& requester, const http1::Refusal& refusal);
  Task<void> turn_away(std::unique_ptr<ByteStream> stream);
  Task<void> drain();

  GatewayParts parts_;
  const GatewaySpec& settings_;
  ClientLimits client_limits_;
  Deadlines deadlines_;
  Upstreams upstreams_;
  Deadlines shadow_deadlines_;
  Upstreams shadow_upstreams_;
  ShadowRunner shadow_runner_;
  SkewKeeper skew_;
  Router router_;
  WriteHold hold_;
  Judge judge_;
  Shadows shadows_;
  Forwarder forwarder_;
  AccessLog access_log_;
  RequestCounter counter_;
  TaskGroup connections_;
  std::list<ClientSession*> open_;
  bool draining_ = false;
};

}  // namespace oxbow
