#include "services/gateway/shadows.hpp"

#include <algorithm>
#include <array>

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

// What a copy costs beside its texts, so that a flood of empty requests is bounded, too.
constexpr std::size_t kCopyBytes = 2048;

// How long a second look waits for a connection.
constexpr Duration kCrowdedWait = std::chrono::milliseconds(50);
constexpr int kCrowdedWaitsMax = 40;

// RFC 9110, 13.1: each side gives its versions names of its own.
constexpr std::array<std::string_view, 4> kConditions = {"If-Match", "If-None-Match", "If-Modified-Since",
                                                         "If-Unmodified-Since"};

bool hangs_on_condition(const RequestHead& request, std::string_view answer_head) {
  if (find_field(request.fields, "If-Range")) return true;
  auto status = answer_head.substr(std::string_view("HTTP/1.1 ").size(), 3);
  return (status == "304" || status == "412") && std::ranges::any_of(kConditions, [&](auto name) {
           return find_field(request.fields, name).has_value();
         });
}

// Each second look asks the side that answers users once more, so there is a budget for them, as for retries:
// every shadow earns a part of one. A side that differs nearly always shows that without them.
constexpr double kLooksPerShadow = 0.1;
constexpr double kLooksSavedMax = 100;

ShadowSkip skip_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::unreachable:
      return ShadowSkip::unreachable;
    case ErrorCode::timeout:
      return ShadowSkip::timeout;
    default:
      return ShadowSkip::broken_off;
  }
}

}  // namespace

Shadows::Shadows(boost::asio::any_io_executor executor, Upstreams& upstreams, Deadlines& deadlines,
                 ShadowSettings settings, OnPair on_pair, OnSkip on_skip)
    : upstreams_(upstreams),
      deadlines_(deadlines),
      settings_(settings),
      on_pair_(std::move(on_pair)),
      on_skip_(std::move(on_skip)),
      budget_(std::make_shared<ShadowBudget>(settings.memory_bytes_max)),
      looks_saved_(kLooksSavedMax),
      running_(std::move(executor)) {}

std::unique_ptr<ShadowCopy> Shadows::begin(const Destination& destination) {
  auto copy = std::make_unique<ShadowCopy>(budget_, settings_.body_bytes_max);
  if (!copy->take(kCopyBytes)) copy->give_up(ShadowSkip::budget);
  copy->began = wall_now();
  copy->answered_by = destination.side;
  copy->route = *destination.route;
  copy->routing = destination.routing;
  return copy;
}

ShadowSkip Shadows::submit(std::unique_ptr<ShadowCopy> copy, const Destination& destination,
                           const RequestHead& request, http1::RequestChanges changes) {
  auto& upstream = upstreams_.of(other(copy->answered_by));
  if (copy->skip() != ShadowSkip::none) return skip(*copy, copy->skip());
  const auto& route = destination.routing->routes->table.routes()[copy->route].route;
  if (request.method == "HEAD" && route.method != "HEAD") return skip(*copy, ShadowSkip::no_body);
  if (hangs_on_condition(request, copy->answer.head)) return skip(*copy, ShadowSkip::conditional);
  if (upstream.is_at_limit()) return skip(*copy, ShadowSkip::connections);
  if (!upstream.is_available()) return skip(*copy, ShadowSkip::left_alone);
  constexpr std::array kOwn = {http1::OwnField{"X-Shadow", "1"}};
  changes.own = kOwn;
  changes.without = kConditions;
  changes.target = destination.shadow_target;
  using Kind = http1::Framing::Kind;
  auto length = copy->request_body.size();
  http1::Framing framing{length > 0 ? Kind::length : Kind::none, length};
  copy->method = request.method;
  http1::append_request_head(copy->request_head, request, framing, changes);
  copy->takes_twin = destination.takes_twin;
  looks_saved_ = std::min(looks_saved_ + kLooksPerShadow, kLooksSavedMax);
  running_.spawn(run(std::move(copy)));
  return ShadowSkip::none;
}

ShadowSkip Shadows::skip(const ShadowCopy& copy, ShadowSkip why) {
  on_skip_(copy.routing, copy.route, why);
  return why;
}

void Shadows::pass_over(const Destination& destination) {
  on_skip_(destination.routing, *destination.route, destination.shadow_skip);
}

void Shadows::drop(std::unique_ptr<ShadowCopy> copy, ShadowSkip why) {
  skip(*copy, copy->skip() == ShadowSkip::none ? why : copy->skip());
}

Task<void> Shadows::run(std::unique_ptr<ShadowCopy> copy) {
  auto why = co_await ask(*copy, other(copy->answered_by), copy->shadow_answer);
  if (why != ShadowSkip::none) {
    skip(*copy, why);
    co_return Status{};
  }
  RecordedAnswer twin;
  if (copy->takes_twin && co_await ask(*copy, copy->answered_by, twin) == ShadowSkip::none)
    copy->twin_answer = std::move(twin);
  if (copy->skip() != ShadowSkip::none) {  // no room for the twin has taken the first answers, too
    skip(*copy, copy->skip());
    co_return Status{};
  }
  on_pair_(std::move(copy));
  co_return Status{};
}

void Shadows::look_again(std::unique_ptr<ShadowCopy> copy, Duration after) {
  if (looks_saved_ < 1) {
    copy->look = ShadowCopy::Look::only;
    on_pair_(std::move(copy));
    return;
  }
  looks_saved_ -= 1;
  running_.spawn(run_again(std::move(copy), after));
}

// Many pairs differ at once when many rows are on their way: those that found no connection would count as
// different.
boost::asio::awaitable<ShadowSkip> Shadows::ask_in_turn(ShadowCopy& copy, Side side, RecordedAnswer& answer) {
  for (int waits = 0; waits < kCrowdedWaitsMax && upstreams_.of(side).is_at_limit(); ++waits)
    if (!co_await sleep_for(kCrowdedWait)) co_return ShadowSkip::broken_off;
  co_return co_await ask(copy, side, answer);
}

Task<void> Shadows::run_again(std::unique_ptr<ShadowCopy> copy, Duration after) {
  CO_TRY(co_await sleep_for(after));
  RecordedAnswer answer, shadow_answer, twin;
  bool has_twin = !copy->twin_answer.head.empty();
  bool looked = co_await ask_in_turn(*copy, copy->answered_by, answer) == ShadowSkip::none &&
                co_await ask_in_turn(*copy, other(copy->answered_by), shadow_answer) == ShadowSkip::none &&
                (!has_twin || co_await ask_in_turn(*copy, copy->answered_by, twin) == ShadowSkip::none);
  if (copy->skip() != ShadowSkip::none) {  // nothing is left to compare, which is not the same as equal
    skip(*copy, copy->skip());
    co_return Status{};
  }
  copy->look = looked ? ShadowCopy::Look::second : ShadowCopy::Look::only;
  if (looked) {
    answer.took = copy->answer.took;  // what the user waited, and what he would have waited
    shadow_answer.took = copy->shadow_answer.took;
    copy->answer = std::move(answer);
    copy->shadow_answer = std::move(shadow_answer);
    copy->twin_answer = std::move(twin);
  }
  on_pair_(std::move(copy));
  co_return Status{};
}

// The answer of one side, or the reason why there is none. What is asked changes nothing, so that a kept
// connection which turns out to be dead costs no pair.
boost::asio::awaitable<ShadowSkip> Shadows::ask(ShadowCopy& copy, Side side, RecordedAnswer& answer) {
  auto& upstream = upstreams_.of(side);
  if (upstream.is_at_limit()) co_return ShadowSkip::connections;
  auto began = monotonic_now();
  auto why = ShadowSkip::none;
  bool was_stale = true;
  if (auto kept = upstream.take_idle()) why = co_await ask_on(*kept, copy, answer, was_stale);
  if (was_stale) {
    auto dialled = co_await upstream.connect();
    if (!dialled) co_return skip_of(dialled.error());
    why = co_await ask_on(*dialled, copy, answer, was_stale);
  }
  answer.took = monotonic_now() - began;
  co_return why;
}

boost::asio::awaitable<ShadowSkip> Shadows::ask_on(Upstream::Lease& service, ShadowCopy& copy,
                                                   RecordedAnswer& answer, bool& was_stale) {
  was_stale = false;
  auto& connection = *service;
  Deadline deadline(deadlines_, [&connection] { connection.close(); });
  deadline.set(settings_.time_max);
  auto ended = co_await exchange(copy, connection, answer);
  if (copy.skip() == ShadowSkip::body_too_large) co_return ShadowSkip::answer_too_large;
  if (copy.skip() != ShadowSkip::none) co_return copy.skip();
  if (deadline.has_expired()) co_return ShadowSkip::timeout;
  was_stale = !ended && connection.was_used() && !connection.has_answered() &&
              ended.error().code == ErrorCode::connection_lost;
  if (!ended) {
    if (!was_stale) service.failed(deadlines_.now());
    co_return skip_of(ended.error());
  }
  service.succeeded();
  service.keep();
  co_return ShadowSkip::none;
}

Task<void> Shadows::exchange(ShadowCopy& copy, UpstreamConnection& service, RecordedAnswer& answer) {
  auto head_left = service.send_now(copy.request_head);
  if (!head_left.empty()) CO_TRY(co_await service.send(head_left));
  if (!copy.request_body.empty()) CO_TRY(co_await service.send(copy.request_body));
  do {
    CO_TRY(co_await service.read_head(copy.method));
  } while (service.head().status < 200 && service.head().status != 101);
  copy.add(answer.head, service.head_bytes());
  if (service.framing().kind == http1::Framing::Kind::none) co_return Status{};
  if (service.framing().length > settings_.body_bytes_max) copy.give_up(ShadowSkip::body_too_large);
  while (copy.skip() == ShadowSkip::none) {
    auto part = CO_TRY(co_await service.read_body());
    copy.add(answer.body, part.bytes);
    if (part.is_last) break;
  }
  co_return Status{};
}

Task<void> Shadows::stop() {
  running_.cancel();
  co_return co_await running_.wait();
}

}  // namespace oxbow
