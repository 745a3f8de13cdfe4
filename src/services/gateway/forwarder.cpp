#include "services/gateway/forwarder.hpp"

#include <algorithm>
#include <array>

#include "runtime/cancellation.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFlushBytes = 64 << 10;
constexpr std::size_t kTunnelBytes = 16 << 10;
constexpr Duration kHeldMax = 5s;  // a handover gives up long before

constexpr Duration kLookAtStream = 1ms;
constexpr Duration kProbeMax = 1s;
constexpr Duration kLookAtProbe = 10ms;
// Longer waits for a slow client hide how fast its service is.
constexpr Duration kClientWaitMax = 1ms;
constexpr Duration kSeenFor = 10min;  // longer than a stream may lag that anybody reads from

// RFC 9110, 9.2.1.
bool is_safe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

// RFC 9110, 9.2.2: what may be sent twice without changing more. Of a safe method that writes all the same
// nobody knows.
bool may_be_sent_twice(std::string_view method, bool writes) {
  return method == "PUT" || method == "DELETE" || (is_safe(method) && !writes);
}

bool expects_continue(const RequestHead& head) {
  return http1::lists_token(head.fields, "Expect", "100-continue");
}

bool may_be_shown(std::string_view name) {
  constexpr std::array<std::string_view, 6> kShown = {"Accept",       "Accept-Encoding", "Accept-Language",
                                                      "Max-Forwards", "User-Agent",      "Via"};
  return std::ranges::any_of(kShown, [&](std::string_view each) { return same_field_name(each, name); });
}

int status_for(const Error& error) {
  switch (error.code) {
    case ErrorCode::timeout:
      return 504;
    case ErrorCode::unreachable:
      return 503;
    default:
      return 502;
  }
}

}  // namespace

// One request on its way.
struct Forwarder::Exchange {
  ClientExchange& client;
  Visit visit{};
  Destination destination{};
  WriteHold::Passage passage{};  // of a write
  Admission::Seat seat{};        // while the service is waited for, until its answer begins
  std::optional<Side> seated_at{};
  std::optional<Instant> waits_since{};  // behind those that are asked in front
  bool is_answered = false;              // its answer has begun
  std::unique_ptr<ShadowCopy> copy{};    // none: it has no shadow
  std::string first_body{};              // what was read of the body before anything was sent
  bool body_is_whole = false;            // in `first_body`
  bool body_is_copied = false;           // all of it
  std::optional<Instant> asked_at{};     // the service has the whole request
  Duration waited_for_client{};          // while it answered
  std::string client_fault{};            // in what the client's body follows no coding
  std::string traceparent{};

  bool has_body() const { return client.body_framing().kind != http1::Framing::Kind::none; }
  bool is_chunked() const { return client.body_framing().kind == http1::Framing::Kind::chunked; }
};

Forwarder::Forwarder(boost::asio::any_io_executor executor, Upstreams& upstreams, Router& router,
                     WriteHold& hold, Shadows& shadows, const GatewaySpec& settings, std::uint64_t seed)
    : executor_(std::move(executor)),
      upstreams_(upstreams),
      router_(router),
      hold_(hold),
      shadows_(shadows),
      legacy_(name(Side::legacy), settings.limits.requests_max, static_cast<int>(settings.health.failures)),
      new_side_(name(Side::new_side), settings.limits.requests_max,
                static_cast<int>(settings.health.failures)),
      random_(seed) {}

boost::asio::awaitable<Visit> Forwarder::forward(ClientExchange& client) {
  Exchange exchange{.client = client};
  auto& visit = exchange.visit;
  visit.began = monotonic_now();
  auto ended = co_await answer(exchange);
  exchange.seat = {};
  if (!ended && !visit.client_gone) {
    if (!visit.is_shed) visit.failure = to_string(ended.error());
    if (client.answer_has_begun())
      client.cut_off();
    else
      co_await refuse(exchange, ended.error());
  }
  if (exchange.copy) visit.shadow = shadows_.drop(std::move(exchange.copy), ShadowSkip::no_answer);
  co_return std::move(visit);
}

Task<void> Forwarder::answer(Exchange& exchange) {
  if (http1::max_forwards(exchange.client.request()) == 0) co_return co_await answer_as_last_hop(exchange);
  if (exchange.has_body() && !expects_continue(exchange.client.request())) {
    if (is_refused_by_its_head(exchange)) co_return co_await ask(exchange);
    auto first = co_await read_first_of_body(exchange);
    if (!first && would_go_to(exchange)) describe(exchange);
    if (!first) co_return first;
  }
  bool has_waited_for_stream = false;
  bool is_counted = false;
  while (true) {
    auto seen = hold_.seen();
    Router::Question question;
    router_.begin(exchange.client.request(), question);
    if (has_waited_for_stream) question.stop_waiting();
    if (is_counted) question.count_nothing();
    if (question.wants_body()) CO_TRY(co_await look_for_key(exchange, question));
    auto destination = router_.decide(question);
    if (!destination) continue;
    exchange.destination = std::move(*destination);
    if (exchange.destination.waits) {
      CO_TRY(co_await wait_for_home(exchange, seen));
      continue;
    }
    if (exchange.destination.missing) {
      CO_TRY(co_await wait_for_stream(exchange.destination));
      has_waited_for_stream = true;
      continue;
    }
    is_counted = true;
    if (enter(exchange) != Admission::Entry::waits) break;
    CO_TRY(co_await sleep_for(kLookAtProbe));  // meanwhile the home may be another
  }
  prepare(exchange);
  co_return co_await ask(exchange);
}

Admission& Forwarder::admission(const Exchange& exchange) {
  return exchange.destination.side == Side::legacy ? legacy_ : new_side_;
}

Task<void> Forwarder::ask(Exchange& exchange) {
  auto& visit = exchange.visit;
  if (visit.is_shed) {
    visit.reason = "overload";
    co_return Err(ErrorCode::unreachable, "the gateway has all the requests under way that it may have");
  }
  if (visit.is_not_passed_on)
    co_return Err(ErrorCode::timeout, "it answers nothing in time, and this was not passed on");
  auto& side = admission(exchange);
  auto url = exchange.client.request().target;
  auto answers = side.answers();
  auto& upstream = upstreams_.of(exchange.destination.side);
  for (visit.attempts = 1;; ++visit.attempts) {
    auto lease = visit.attempts == 1 ? upstream.take_idle() : std::nullopt;
    if (!lease) lease.emplace(CO_TRY(co_await upstream.connect()));
    auto& service = *lease;
    auto ended = co_await attempt(exchange, *service);
    if (ended) {
      service.succeeded();
      service.keep();
      co_return ended;
    }
    // Whoever was asked to stop, or has stopped because of the client, knows nothing of the service.
    bool by_client = visit.client_gone || !exchange.client_fault.empty();
    if (by_client || ended.error().code == ErrorCode::cancelled || co_await is_cancelled()) co_return ended;
    bool was_stale = service->was_used() && !service->has_answered();
    bool may_repeat = may_be_sent_twice(exchange.client.request().method, exchange.destination.writes) &&
                      (!exchange.has_body() || exchange.body_is_whole) && !exchange.client.answer_has_begun();
    bool repeats = visit.attempts == 1 && may_repeat && !service->has_answered() &&
                   ended.error().code == ErrorCode::connection_lost && (was_stale || upstream.has_others());
    if (ended.error().code == ErrorCode::timeout && !exchange.is_answered)
      side.was_late(url, answers, visit.began, monotonic_now());
    // What cannot be passed on is a fault of one of its answers; the service is there.
    bool is_away = !was_stale && ended.error().code != ErrorCode::malformed;
    if (is_away) service.failed();
    if (!repeats) co_return ended;
  }
}

// A few are asked in front, and what comes of them decides for the others, who wait that long. They have a
// seat, so that the limit holds for them as well.
Admission::Entry Forwarder::enter(Exchange& exchange) {
  auto& side = admission(exchange);
  if (exchange.seated_at != exchange.destination.side) {
    exchange.seat = {};
    exchange.visit.is_shed = side.is_full();
    if (exchange.visit.is_shed) return Admission::Entry::is_shut;
    exchange.seat = side.take_seat();
    exchange.seated_at = exchange.destination.side;
  }
  auto now = monotonic_now();
  auto entry = side.may_enter(exchange.client.request().target, now);
  if (!exchange.waits_since) exchange.waits_since = now;
  if (entry == Admission::Entry::waits && now - *exchange.waits_since >= kProbeMax)
    entry = Admission::Entry::is_shut;
  exchange.visit.is_not_passed_on = entry == Admission::Entry::is_shut;
  return entry;
}

// RFC 9110, 7.6.2 and 9.3.8: who asks how far his request comes sees what came here; but only fields that
// hold no secret, because one may have been put in on the way.
Task<void> Forwarder::answer_as_last_hop(Exchange& exchange) {
  auto& client = exchange.client;
  const auto& request = client.request();
  exchange.visit.reason = "max-forwards";
  exchange.visit.status = 200;
  ResponseHead head{200, "OK", 1, {}};
  std::string text;
  if (request.method == "TRACE") {
    head.fields.push_back({"Content-Type", "message/http"});
    text = fmt::format("TRACE {} HTTP/1.1\r\nHost: {}\r\n", request.target, request.host);
    for (const auto& field : request.fields)
      if (may_be_shown(field.name)) text += fmt::format("{}: {}\r\n", field.name, field.value);
    text += "\r\n";
  }
  client.begin_answer(head, {http1::Framing::Kind::length, text.size()}, {});
  client.add_body(text);
  exchange.visit.bytes_out = text.size();
  client.end_answer({});
  co_return co_await flush(exchange);
}

// Where a side is full, a client that sends a body hears of it before it has sent any, if the body decides
// nothing.
bool Forwarder::is_refused_by_its_head(Exchange& exchange) {
  if (!legacy_.is_full() && !new_side_.is_full()) return false;
  if (!would_go_to(exchange) || !admission(exchange).is_full()) return false;
  exchange.visit.is_shed = true;
  prepare(exchange);
  return true;
}

// By its head alone, where that decides.
bool Forwarder::would_go_to(Exchange& exchange) {
  Router::Question question;
  router_.begin(exchange.client.request(), question);
  if (question.wants_body()) return false;
  question.count_nothing();
  auto destination = router_.decide(question);
  if (!destination || destination->waits || destination->missing) return false;
  exchange.destination = std::move(*destination);
  return true;
}

// Its cohort is being handed over, and has a home again in a moment.
Task<void> Forwarder::wait_for_home(Exchange& exchange, std::uint64_t seen) {
  auto patience = kHeldMax - (monotonic_now() - exchange.visit.began);
  auto released = co_await hold_.wait(seen, patience);
  if (!released && released.error().code == ErrorCode::timeout)
    co_return Err(ErrorCode::unreachable, "its cohort is being handed over for too long");
  co_return released;
}

// It brings what this client has done; what takes longer is asked where it was done.
Task<void> Forwarder::wait_for_stream(const Destination& destination) {
  auto until = monotonic_now() + destination.routing->read_your_writes.wait_max;
  while (router_.is_missing(*destination.missing) && monotonic_now() < until)
    CO_TRY(co_await sleep_for(kLookAtStream));
  co_return Status{};
}

// Before anything is decided: it may come long behind its head. Who expects to be asked for it sends none
// yet.
Task<void> Forwarder::read_first_of_body(Exchange& exchange) {
  auto part = CO_TRY(co_await read_body(exchange));
  exchange.first_body = part.bytes;
  exchange.body_is_whole = part.is_last;
  co_return Status{};
}

// A key in the body is looked for before anything is sent, first in what was read for an earlier question.
Task<void> Forwarder::look_for_key(Exchange& exchange, Router::Question& question) {
  auto& client = exchange.client;
  question.feed(exchange.first_body, exchange.body_is_whole);
  bool expects = exchange.has_body() && expects_continue(client.request());
  if (expects && exchange.first_body.empty()) {
    client.add_interim({.status = 100, .reason = "Continue", .fields = {}});
    CO_TRY(co_await flush(exchange));
  }
  while (question.wants_body() && exchange.has_body() && !exchange.body_is_whole) {
    auto part = CO_TRY(co_await read_body(exchange));
    exchange.first_body += part.bytes;
    exchange.body_is_whole = part.is_last;
    question.feed(part.bytes, part.is_last);
  }
  co_return Status{};
}

void Forwarder::prepare(Exchange& exchange) {
  const auto& head = exchange.client.request();
  const auto& destination = exchange.destination;
  // Nothing else has run on this thread since the decision: no write is under way that the hold does not
  // know.
  if (destination.writes)
    exchange.passage = {hold_, {std::string(destination.entity), std::string(destination.cohort)}};
  describe(exchange);
  auto& visit = exchange.visit;
  visit.shadow = destination.shadow_skip;
  bool is_wanted = visit.shadow == ShadowSkip::none || visit.shadow == ShadowSkip::not_copied ||
                   visit.shadow == ShadowSkip::kept_away || visit.shadow == ShadowSkip::upgraded;
  if (visit.shadow == ShadowSkip::none) visit.shadow = shadows_.refuses(destination);
  if (visit.shadow == ShadowSkip::none)
    exchange.copy = shadows_.begin(destination);
  else if (is_wanted)
    shadows_.pass_over(destination, visit.shadow);
  if (auto trace = find_field(head.fields, "traceparent"); !trace || !http1::is_traceparent(*trace)) {
    std::array<unsigned char, 24> random;
    for (std::size_t i = 0; i < random.size(); i += 8) {
      auto word = random_.next();
      std::copy_n(reinterpret_cast<const unsigned char*>(&word), 8, random.data() + i);
    }
    exchange.traceparent = http1::make_traceparent(random);
  }
}

void Forwarder::describe(Exchange& exchange) {
  auto& visit = exchange.visit;
  const auto& destination = exchange.destination;
  visit.side = destination.side;
  visit.state = destination.state;
  visit.routing = destination.routing;
  visit.route = destination.route;
  visit.entity = destination.entity;
  visit.cohort = destination.cohort;
  visit.reason = destination.reason;
}

http1::RequestChanges Forwarder::changes(Exchange& exchange, std::string_view target) {
  return {.requester = exchange.client.requester(), .target = target, .traceparent = exchange.traceparent};
}

Task<void> Forwarder::attempt(Exchange& exchange, UpstreamConnection& service) {
  exchange.asked_at.reset();
  exchange.waited_for_client = {};
  if (!exchange.has_body() || exchange.body_is_whole) {
    auto bytes = whole_request(exchange);
    auto rest = send_now(exchange, service, bytes);
    // A service may answer and close before it has read everything; what it said then is worth more than our
    // error.
    if (!rest.empty()) {
      auto sent = co_await service.send(rest);
      if (!sent && sent.error().code == ErrorCode::cancelled) co_return sent;
      exchange.asked_at = monotonic_now();
    }
    bytes = {};  // the answer may be long in coming
    co_return co_await relay(exchange, service);
  }
  if (!exchange.first_body.empty()) service.begin_upload();
  TaskGroup uploading(executor_);
  uploading.spawn(upload(exchange, service));
  auto relayed = co_await relay(exchange, service);
  if (uploading.running() > 0) {
    uploading.cancel();
    service.close();  // it gets no whole request, so it must not wait for the rest
  }
  co_await uploading.wait();
  co_return relayed;
}

// What the service has not taken. The clock is looked at first, because the service may have answered before
// we run again; shadows are sent in the same way.
std::string_view Forwarder::send_now(Exchange& exchange, UpstreamConnection& service,
                                     std::string_view bytes) {
  exchange.asked_at = monotonic_now();
  return service.send_now(bytes);
}

bool Forwarder::asks_for_upgrade(const Exchange& exchange) {
  return http1::wants_upgrade(exchange.client.request()) && !exchange.has_body();
}

std::string Forwarder::whole_request(Exchange& exchange) {
  auto& client = exchange.client;
  auto framing = client.body_framing();
  if (exchange.is_chunked() && client.trailers().empty())
    framing = {exchange.first_body.empty() ? http1::Framing::Kind::none : http1::Framing::Kind::length,
               exchange.first_body.size()};
  std::string bytes;
  bytes.reserve(1024 + exchange.first_body.size());
  auto with = changes(exchange, {});
  with.wants_upgrade = asks_for_upgrade(exchange);
  http1::append_request_head(bytes, client.request(), framing, with);
  if (framing.kind == http1::Framing::Kind::chunked) {
    http1::append_chunk(bytes, exchange.first_body);
    bytes += "0\r\n";
    http1::append_trailers(bytes, client.trailers());
  } else {
    bytes += exchange.first_body;
  }
  exchange.visit.bytes_in = exchange.first_body.size();
  exchange.body_is_copied = true;
  if (exchange.copy && exchange.visit.attempts == 1)
    exchange.copy->add(exchange.copy->request_body, exchange.first_body);
  return bytes;
}

// Beside relay(): a service may answer while the body is still coming.
Task<void> Forwarder::upload(Exchange& exchange, UpstreamConnection& service) {
  auto& client = exchange.client;
  std::string bytes;
  http1::append_request_head(bytes, client.request(), client.body_framing(), changes(exchange, {}));
  BodyPart part{exchange.first_body, false};
  while (true) {
    if (exchange.is_chunked())
      http1::append_chunk(bytes, part.bytes);
    else
      bytes += part.bytes;
    exchange.visit.bytes_in += part.bytes.size();
    if (exchange.copy) exchange.copy->add(exchange.copy->request_body, part.bytes);
    exchange.body_is_copied = part.is_last;
    if (part.is_last && exchange.is_chunked()) {
      bytes += "0\r\n";
      http1::append_trailers(bytes, client.trailers());
    }
    auto rest = bytes.empty() ? std::string_view() : send_now(exchange, service, bytes);
    Status sent;
    if (!rest.empty()) {
      sent = co_await service.send(rest);
      exchange.asked_at = monotonic_now();
    }
    if (!sent || part.is_last) {
      service.end_upload();
      co_return Status{};
    }
    bytes.clear();
    exchange.seat = {};  // nobody waits for the service
    auto next = co_await read_body(exchange);
    if (!exchange.is_answered) exchange.seat = admission(exchange).take_seat();
    if (!next) {
      service.close();
      co_return Status{};
    }
    service.begin_upload();
    part = *next;
  }
}

// A client that breaks the coding of its body is still there to be told, and so is one whose body is not
// wanted any more.
Task<BodyPart> Forwarder::read_body(Exchange& exchange) {
  auto part = co_await exchange.client.read_body();
  if (part || co_await is_cancelled()) co_return part;
  if (part.error().code == ErrorCode::malformed)
    exchange.client_fault = part.error().detail;
  else
    exchange.visit.client_gone = true;
  co_return part;
}

Task<void> Forwarder::flush(Exchange& exchange) {
  auto began = monotonic_now();
  auto flushed = co_await exchange.client.flush();
  exchange.waited_for_client += monotonic_now() - began;
  exchange.visit.client_gone = exchange.visit.client_gone || !flushed;
  co_return flushed;
}

Task<void> Forwarder::relay(Exchange& exchange, UpstreamConnection& service) {
  auto& client = exchange.client;
  auto& visit = exchange.visit;
  auto method = client.request().method;
  while (true) {
    CO_TRY(co_await service.read_head(method));
    if (service.head().status >= 200 || service.head().status == 101) begin_answer(exchange);
    if (service.head().status == 101) {
      if (!asks_for_upgrade(exchange))
        co_return Err(ErrorCode::malformed, "it changed to another protocol, which nobody had asked for");
      co_return co_await tunnel(exchange, service);
    }
    if (service.head().status >= 200) break;
    client.add_interim(service.head());
    CO_TRY(co_await flush(exchange));
  }
  visit.status = service.head().status;
  if (exchange.copy) Shadows::keep_head(*exchange.copy, service.head().fields, service.head_bytes());
  std::string seen;
  std::array<http1::OwnField, 3> own;
  std::size_t owns = 0;
  if (exchange.destination.shows_state) {
    own[owns++] = {"X-Oxbow-Side", name(visit.side)};
    if (visit.state) own[owns++] = {"X-Oxbow-State", name(*visit.state)};
  }
  if (exchange.destination.tells_seen) {
    const auto& rule = exchange.destination.routing->read_your_writes;
    seen = to_text(router_.seen());
    if (!rule.cookie.empty())
      seen =
          fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax", rule.cookie, seen, kSeenFor / 1s);
    own[owns++] = {rule.cookie.empty() ? std::string_view(rule.header) : "Set-Cookie", seen};
  }
  client.begin_answer(service.head(), service.framing(), std::span(own).first(owns));
  if (!CO_TRY(relay_body_now(exchange, service))) CO_TRY(co_await relay_body(exchange, service));
  if (exchange.copy) exchange.copy->answer.took = time_of_service(exchange);
  client.end_answer(service.trailers());
  if (!client.flush_now()) CO_TRY(co_await flush(exchange));
  if (exchange.copy) {
    visit.shadow = exchange.body_is_copied
                       ? shadows_.submit(std::move(exchange.copy), exchange.destination, client.request(),
                                         changes(exchange, {}))
                       : shadows_.drop(std::move(exchange.copy), ShadowSkip::early_answer);
  }
  co_return Status{};
}

// From here on it may last for hours.
void Forwarder::begin_answer(Exchange& exchange) {
  exchange.is_answered = true;
  exchange.seat = {};
  admission(exchange).answered();
}

// Until the last byte of its answer, which has just come. None if the client has slowed it down, too.
std::optional<Duration> Forwarder::time_of_service(const Exchange& exchange) {
  if (!exchange.asked_at || exchange.waited_for_client > kClientWaitMax) return std::nullopt;
  return monotonic_now() - *exchange.asked_at;
}

// What has come of the body; true if that is the end.
Result<bool> Forwarder::relay_body_now(Exchange& exchange, UpstreamConnection& service) {
  auto& client = exchange.client;
  if (service.framing().kind == http1::Framing::Kind::none) return true;
  while (client.bytes_unsent() < kFlushBytes) {
    auto part = TRY(service.body_now());
    if (!part) return false;
    take(exchange, *part);
    if (part->is_last) return true;
  }
  return false;
}

// What is here must not wait for what may come much later.
Task<void> Forwarder::relay_body(Exchange& exchange, UpstreamConnection& service) {
  while (true) {
    CO_TRY(co_await flush(exchange));
    auto part = CO_TRY(co_await service.read_body());
    take(exchange, part);
    if (part.is_last || CO_TRY(relay_body_now(exchange, service))) co_return Status{};
  }
}

void Forwarder::take(Exchange& exchange, const BodyPart& part) {
  exchange.client.add_body(part.bytes);
  exchange.visit.bytes_out += part.bytes.size();
  if (exchange.copy) exchange.copy->add(exchange.copy->answer.body, part.bytes);
}

// Bytes of another protocol, both ways, until one side ends.
Task<void> Forwarder::tunnel(Exchange& exchange, UpstreamConnection& service) {
  auto& client = exchange.client;
  auto* stream = client.stream();
  if (stream == nullptr || !http1::wants_upgrade(client.request()))
    co_return Err(ErrorCode::malformed, "the service switches to a protocol that nobody asked for");
  exchange.visit.status = 101;
  client.add_interim(service.head());
  client.add_raw(service.unread());
  CO_TRY(co_await flush(exchange));
  CO_TRY(co_await service.send(client.bytes_behind_head()));
  exchange.visit.client_gone = true;  // for HTTP: nothing can follow on this connection
  auto carry = [](ByteStream& from, ByteStream& to, std::uint64_t& count) -> Task<void> {
    std::string buffer(kTunnelBytes, '\0');
    while (true) {
      auto read = CO_TRY(co_await from.read_some(buffer));
      if (read == 0) co_return co_await to.shutdown_write();
      count += read;
      CO_TRY(co_await to.write(std::string_view(buffer).substr(0, read)));
    }
  };
  TaskGroup carrying(executor_);
  carrying.spawn(carry(*stream, service.stream(), exchange.visit.bytes_in));
  carrying.spawn(carry(service.stream(), *stream, exchange.visit.bytes_out));
  co_await carrying.wait();
  service.close();
  stream->close(false);
  co_return Err(ErrorCode::cancelled);
}

Task<void> Forwarder::refuse(Exchange& exchange, const Error& error) {
  auto& client = exchange.client;
  auto& visit = exchange.visit;
  bool client_fault = !exchange.client_fault.empty();
  client.pass_over_body();
  visit.status = client_fault ? 400 : status_for(error);
  auto reason = visit.status == 400   ? std::string_view("Bad Request")
                : visit.status == 504 ? std::string_view("Gateway Timeout")
                : visit.status == 503 ? std::string_view("Service Unavailable")
                                      : std::string_view("Bad Gateway");
  auto text = client_fault    ? exchange.client_fault + "\n"
              : visit.is_shed ? "The gateway has all the requests under way that it may have.\n"
                              : fmt::format("The {} service gave no answer that can be passed on ({}).\n",
                                            name(visit.side), name(error.code));
  ResponseHead head{visit.status, reason, 1, {{"Content-Type", "text/plain; charset=utf-8"}}};
  if (visit.status == 503 || visit.is_not_passed_on) head.fields.push_back({"Retry-After", "1"});
  client.begin_answer(head, {http1::Framing::Kind::length, text.size()}, {});
  if (client.request().method != "HEAD") {
    client.add_body(text);
    visit.bytes_out = text.size();
  }
  client.end_answer({});
  co_return co_await flush(exchange);
}

}  // namespace oxbow
