// Carries one request to the side that answers it, and the answer back, both while they come: nothing is held
// whole but what fits into one buffer. Never mixes sides: once a byte of an answer has gone to the client, no
// other answer is taken.
// Belongs to one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <utility>

#include "base/random.hpp"
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
            Shadows& shadows, std::uint64_t requests_max, std::uint64_t seed);

  // Answers the request, with an error of ours if nobody else does. What happened is in the result.
  boost::asio::awaitable<Visit> forward(ClientExchange& client);

 private:
  struct Exchange;

  // A request that a service is asked, while it lives.
  class Seat {
   public:
    Seat() = default;
    explicit Seat(std::uint64_t& taken) : taken_(&taken) { ++taken; }
    Seat(Seat&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
    Seat& operator=(Seat&& other) noexcept {
      Seat before(std::move(*this));
      taken_ = std::exchange(other.taken_, nullptr);
      return *this;
    }
    ~Seat() {
      if (taken_ != nullptr) --*taken_;
    }

   private:
    std::uint64_t* taken_ = nullptr;
  };

  Task<void> answer(Exchange& exchange);
  Task<void> answer_as_last_hop(Exchange& exchange);
  Task<void> wait_for_home(Exchange& exchange, std::uint64_t seen);
  Task<void> wait_for_stream(const Destination& destination);
  Task<void> look_for_key(Exchange& exchange, Router::Question& question);
  Task<void> read_first_of_body(Exchange& exchange);
  void prepare(Exchange& exchange);
  Task<void> attempt(Exchange& exchange, UpstreamConnection& service);
  static std::string_view send_now(Exchange& exchange, UpstreamConnection& service, std::string_view bytes);
  static bool asks_for_upgrade(const Exchange& exchange);
  std::string whole_request(Exchange& exchange);
  Task<void> upload(Exchange& exchange, UpstreamConnection& service);
  Task<void> relay(Exchange& exchange, UpstreamConnection& service);
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
  std::uint64_t requests_max_;
  std::uint64_t asked_ = 0;  // just now
  Random random_;
};

}  // namespace oxbow
