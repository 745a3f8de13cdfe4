#include "services/gateway/gateway.hpp"

#include <fmt/format.h>

#include "base/log.hpp"
#include "core/spec/http_address.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/deadline.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kTooBusy = "The gateway has all the connections it may have.\n";

UpstreamLimits limits_of(const GatewaySpec& gateway, const SystemSpec& system) {
  return {.connect_time_max = gateway.limits.connect_time_max,
          .answer_time_max = gateway.limits.answer_time_max,
          .body_time_max = gateway.limits.body_time_max,
          .failures_max = static_cast<int>(gateway.health.failures),
          .health_path = system.health_path,
          .health_every = gateway.health.every};
}

UpstreamLimits shadow_limits_of(const GatewaySpec& gateway, const SystemSpec& system) {
  auto limits = limits_of(gateway, system);
  limits.answer_time_max = gateway.shadow.time_max;
  limits.body_time_max = gateway.shadow.time_max;
  limits.idle_connections_max = gateway.shadow.connections_max;
  limits.health_path.clear();
  limits.is_needed = false;
  // Failed shadows harm nobody, and what is not compared is not known.
  limits.left_alone_max = std::chrono::seconds(4);
  limits.user = "shadows";
  return limits;
}

// A group ends with its first failure, and what befalls one client must not befall the others.
Task<void> alone(Task<void> client) {
  if (auto ended = co_await run_guarded(std::move(client));
      !ended && ended.error().code == ErrorCode::internal)
    log_error("a connection ended early: {}", to_string(ended.error()));
  co_return Status{};
}

}  // namespace

Gateway::Gateway(GatewayParts parts)
    : parts_(std::move(parts)),
      settings_(*parts_.spec.gateway),
      client_limits_{.head = {.head_bytes_max = settings_.limits.header_bytes_max},
                     .header_time_max = settings_.limits.header_time_max,
                     .idle_time_max = settings_.limits.idle_time_max,
                     .body_time_max = settings_.limits.body_time_max},
      upstreams_{{parts_.users.dialer, deadlines_, service_addresses(parts_.spec.legacy),
                  limits_of(settings_, parts_.spec.legacy)},
                 {parts_.users.dialer, deadlines_, service_addresses(parts_.spec.new_side),
                  limits_of(settings_, parts_.spec.new_side)}},
      shadow_upstreams_{{parts_.shadows.dialer, shadow_deadlines_, service_addresses(parts_.spec.legacy),
                         shadow_limits_of(settings_, parts_.spec.legacy)},
                        {parts_.shadows.dialer, shadow_deadlines_, service_addresses(parts_.spec.new_side),
                         shadow_limits_of(settings_, parts_.spec.new_side)}},
      shadow_runner_({.executor = parts_.shadows.executor,
                      .upstreams = shadow_upstreams_,
                      .deadlines = shadow_deadlines_,
                      .body_bytes_max = settings_.shadow.body_bytes_max,
                      .time_max = settings_.shadow.time_max,
                      .connections_max = static_cast<int>(settings_.shadow.connections_max),
                      .users_wait = [this] { return counter_.under_way() > 0; },
                      .asked_by_users = [this](Side side) { return upstreams_.of(side).under_way(); },
                      .on_pair = [this](auto copy) { judge_.offer(std::move(copy)); },
                      .on_skip = [this](const ShadowCopy& copy,
                                        ShadowSkip why) { judge_.skipped(copy.routing, copy.route, why); }}),
      router_(parts_.routing, parts_.beats, skew_, parts_.seed),
      hold_(parts_.users.executor),
      judge_({.exemplars = parts_.exemplars,
              .now = parts_.now,
              .ask_again = [this](auto copy,
                                  Duration after) { shadow_runner_.look_again(std::move(copy), after); },
              .seed = parts_.seed}),
      shadows_(
          settings_.shadow.memory_bytes_max, settings_.shadow.body_bytes_max,
          [this](Side side) { return shadow_runner_.refuses(side); },
          [this](auto copy) { shadow_runner_.take(std::move(copy)); },
          [this](const auto& routing, std::size_t route, ShadowSkip why) {
            judge_.skipped(routing, route, why);
          }),
      forwarder_(parts_.users.executor, upstreams_, router_, hold_, shadows_, settings_, parts_.seed),
      access_log_(settings_.access_log),
      connections_(parts_.users.executor) {
  judge_.take_over(*parts_.routing);
}

Gateway::~Gateway() = default;

// First what users wait for.
void Gateway::publish(std::shared_ptr<const Routing> routing) {
  router_.publish(routing);
  hold_.routing_changed();
  judge_.take_over(*routing);
}

Task<void> Gateway::run() {
  TaskGroup group(parts_.users.executor);
  for (auto& listener : parts_.listeners) group.spawn(accept(*listener));
  group.spawn(deadlines_.run());
  group.spawn(access_log_.run());
  group.spawn(upstreams_.legacy.watch_health());
  group.spawn(upstreams_.new_side.watch_health());
  auto ended = co_await group.wait();
  for (auto& listener : parts_.listeners) listener->close();
  co_await drain();
  access_log_.flush();
  co_return ended;
}

Task<void> Gateway::run_shadows() {
  TaskGroup group(parts_.shadows.executor);
  group.spawn(shadow_deadlines_.run());
  auto ended = co_await group.wait();
  TaskGroup deadlines(parts_.shadows.executor);
  deadlines.spawn(shadow_deadlines_.run());
  co_await shadow_runner_.stop();
  deadlines.cancel();
  co_await deadlines.wait();
  co_return ended;
}

Task<void> Gateway::accept(Listener& listener) {
  while (true) {
    auto stream = CO_TRY(co_await listener.accept());
    bool has_room = connections_.running() < settings_.limits.connections_max;
    connections_.spawn(alone(has_room ? serve(std::move(stream)) : turn_away(std::move(stream))));
  }
}

// Never holds a place for long: what the kernel does not take at once is lost, and with TLS, which would need
// a handshake first, all of it.
Task<void> Gateway::turn_away(std::unique_ptr<ByteStream> stream) {
  counter_.count_turned_away();
  stream->write_now(fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
      kTooBusy.size(), kTooBusy));
  co_return co_await stream->shutdown_write();
}

// HTTP/2 is a task of its own, because what it needs would lie idle in each of the many that speak HTTP/1.
Task<void> Gateway::serve(std::unique_ptr<ByteStream> stream) {
  ClientConnection client(std::move(stream), client_limits_, deadlines_);
  auto place = enter(client);
  auto is_open = co_await client.open();
  while (is_open && !client.speaks_http2()) {
    auto has_request = co_await client.next_request();
    if (!has_request || !*has_request) break;
    co_await answer(client);
    if (!client.can_go_on()) break;
  }
  if (client.refusal()) refused(client.requester(), *client.refusal());
  co_await client.finish();
  leave(place);
  if (client.speaks_http2())
    connections_.spawn(alone(serve_http2(client.take_stream(), client.bytes_read())));
  co_return Status{};
}

Task<void> Gateway::serve_http2(std::unique_ptr<ByteStream> stream, std::string begun) {
  Http2Connection client(
      parts_.users.executor, std::move(stream), std::move(begun), client_limits_, deadlines_,
      [this](ClientExchange& exchange) { return answer(exchange); },
      [this](const ClientExchange& exchange, const http1::Refusal& refusal) {
        refused(exchange.requester(), refusal);
      });
  auto place = enter(client);
  co_await client.run();
  leave(place);
  co_return Status{};
}

boost::asio::awaitable<void> Gateway::answer(ClientExchange& exchange) {
  counter_.begin();
  auto visit = co_await forwarder_.forward(exchange);
  counter_.count(visit, monotonic_now() - visit.began);
  access_log_.add(visit, exchange);
}

std::list<ClientSession*>::iterator Gateway::enter(ClientSession& client) {
  if (draining_) client.drain();
  counter_.set_connections(open_.size() + 1);
  return open_.insert(open_.end(), &client);
}

void Gateway::leave(std::list<ClientSession*>::iterator place) {
  open_.erase(place);
  counter_.set_connections(open_.size());
}

void Gateway::refused(const http1::Requester& requester, const http1::Refusal& refusal) {
  counter_.count_refused();
  access_log_.add_refused(requester, refusal);
}

RequestFigures Gateway::requests() const {
  RequestFigures figures;
  counter_.tell(figures);
  figures.shadow_bytes = shadows_.memory_bytes();
  figures.log_lines_lost = access_log_.lines_lost();
  for (auto side : {Side::legacy, Side::new_side}) {
    auto of_users = upstreams_.of(side).addresses(), of_shadows = shadow_upstreams_.of(side).addresses();
    for (std::size_t i = 0; i < of_users.size(); ++i)
      figures.addresses.push_back({.side = side,
                                   .address = std::move(of_users[i].address),
                                   .is_left_alone = of_users[i].is_left_alone,
                                   .fails_users = of_users[i].is_failing,
                                   .fails_shadows = of_shadows[i].is_failing});
  }
  return figures;
}

// Idle connections end at once, the others behind their present answer.
Task<void> Gateway::drain() {
  draining_ = true;
  for (auto* client : open_) client->drain();
  TaskGroup deadlines(parts_.users.executor);
  deadlines.spawn(deadlines_.run());
  co_await with_deadline(connections_.wait(), settings_.limits.drain_time_max);
  deadlines.cancel();
  co_return co_await deadlines.wait();
}

}  // namespace oxbow
