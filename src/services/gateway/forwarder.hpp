// Carries one request to the side that answers it, and the answer back, both while they come: nothing is held
// whole but what fits into one buffer. Never mixes sides: once a byte of an answer has gone to the client, no
// other answer is taken.
// Belongs to one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <utility>

#include "base/random.hpp"
#include "model/gateway_spec.hpp"
#include "services/gateway/admission.hpp"
#include "services/gateway/client_exchange.hpp"
#include "services/gateway/router.hpp"
#include "services/gateway/shadows.hpp"
#include "services/gateway/upstreams.hpp"
#include "services/gateway/visit.hpp"
#include "services/gateway/write_hold.hpp"

namespace oxbow {

class Forwarder {
 public:
  Forwarder(boost::asio::any_io_executor executor, Upstreams& upstreams, Router& router, WriteHold& hold,
            Shadows& shadows, const GatewaySpec& settings, std::uint64_t seed);

  // Answers the request, with an error of ours if nobody else does. What happened is in the result.
  boost::asio::awaitable<Visit> forward(ClientExchange& client);

 private:
  struct Exchange;

  Task<void> answer(Exchange& exchange);
  Task<void> answer_as_last_hop(Exchange& exchange);
  bool would_go_to(Exchange& exchange);
  static void describe(Exchange& exchange);
  Admission::Entry enter(Exchange& exchange);
  bool is_refused_by_its_head(Exchange& exchange);
  Task<void> wait_for_home(Exchange& exchange, std::uint64_t seen);
  Task<void> wait_for_stream(const Destination& destination);
  Task<void> look_for_key(Exchange& exchange, Router::Question& question);
  Task<void> read_first_of_body(Exchange& exchange);
  void prepare(Exchange& exchange);
  Admission& admission(const Exchange& exchange);
  Task<void> ask(Exchange& exchange);
  Task<void> attempt(Exchange& exchange, UpstreamConnection& service);
  static std::string_view send_now(Exchange& exchange, UpstreamConnection& service, std::string_view bytes);
  static bool asks_for_upgrade(const Exchange& exchange);
  std::string whole_request(Exchange& exchange);
  Task<void> upload(Exchange& exchange, UpstreamConnection& service);
  Task<void> relay(Exchange& exchange, UpstreamConnection& service);
  void begin_answer(Exchange& exchange);
  Task<void> relay_body(Exchange& exchange, UpstreamConnection& service);
  Result<bool> relay_body_now(Exchange& exchange, UpstreamConnection& service);
  static void take(Exchange& exchange, const BodyPart& part);
  static std::optional<Duration> time_of_service(const Exchange& exchange);
  Task<void> tunnel(Exchange& exchange, UpstreamConnection& service);
  Task<BodyPart> read_body(Exchange& exchange);
  Task<void> flush(Exchange& exchange);
  Task<void> refuse(Exchange& exchange, const Error& error);
  http1::RequestChanges changes(Exchange& exchange, std::string_view target);

  boost::asio::any_io_executor executor_;
  Upstreams& upstreams_;
  Router& router_;
  WriteHold& hold_;
  Shadows& shadows_;
  Admission legacy_;
  Admission new_side_;
  Random random_;
};

}  // namespace oxbow
