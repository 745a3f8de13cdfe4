#include "services/gateway/shadows.hpp"

#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

// What a copy costs beside its texts, so that a flood of empty requests is bounded, too.
constexpr std::size_t kCopyBytes = 2048;

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
                 ShadowSettings settings, OnPair on_pair)
    : upstreams_(upstreams),
      deadlines_(deadlines),
      settings_(settings),
      on_pair_(std::move(on_pair)),
      budget_(settings.memory_bytes_max),
      running_(std::move(executor)) {}

std::unique_ptr<ShadowCopy> Shadows::begin(const Destination& destination) {
  auto copy = std::make_unique<ShadowCopy>(budget_, settings_.body_bytes_max);
  if (!copy->take(kCopyBytes)) copy->give_up(ShadowSkip::budget);
  copy->answered_by = destination.side;
  copy->route = *destination.route;
  copy->routing = destination.routing;
  return copy;
}

ShadowSkip Shadows::submit(std::unique_ptr<ShadowCopy> copy, const Destination& destination,
                           const RequestHead& request, http1::RequestChanges changes) {
  auto skip = copy->skip();
  auto& upstream = upstreams_.of(other(copy->answered_by));
  if (skip == ShadowSkip::none && upstream.is_at_limit()) skip = ShadowSkip::connections;
  if (skip == ShadowSkip::none && !upstream.is_available()) skip = ShadowSkip::left_alone;
  if (skip != ShadowSkip::none) {
    count(skip);
    return skip;
  }
  constexpr std::array kOwn = {http1::OwnField{"X-Shadow", "1"}};
  changes.own = kOwn;
  changes.target = destination.shadow_target;
  using Kind = http1::Framing::Kind;
  auto length = copy->request_body.size();
  http1::Framing framing{length > 0 ? Kind::length : Kind::none, length};
  copy->method = request.method;
  http1::append_request_head(copy->request_head, request, framing, changes);
  if (destination.takes_twin) {
    changes.target = {};
    http1::append_request_head(copy->twin_head, request, framing, changes);
  }
  running_.spawn(run(std::move(copy)));
  return ShadowSkip::none;
}

Task<void> Shadows::run(std::unique_ptr<ShadowCopy> copy) {
  auto skip = co_await ask(*copy, other(copy->answered_by), copy->request_head, copy->shadow_answer);
  if (skip == ShadowSkip::none && !copy->twin_head.empty() &&
      co_await ask(*copy, copy->answered_by, copy->twin_head, copy->twin_answer) != ShadowSkip::none)
    copy->twin_answer = {};
  count(skip);
  if (skip == ShadowSkip::none) on_pair_(std::move(copy));
  co_return Status{};
}

boost::asio::awaitable<ShadowSkip> Shadows::ask(ShadowCopy& copy, Side side, std::string_view head,
                                                RecordedAnswer& answer) {
  auto& upstream = upstreams_.of(side);
  if (upstream.is_at_limit()) co_return ShadowSkip::connections;
  auto began = monotonic_now();
  auto service = co_await upstream.connect(false);
  if (!service) co_return skip_of(service.error());
  auto& connection = **service;
  Deadline deadline(deadlines_, [&connection] { connection.close(); });
  deadline.set(settings_.time_max);
  auto ended = co_await exchange(copy, connection, head, answer);
  answer.took = monotonic_now() - began;
  if (copy.skip() == ShadowSkip::body_too_large) co_return ShadowSkip::answer_too_large;
  if (copy.skip() != ShadowSkip::none) co_return copy.skip();
  if (deadline.has_expired()) co_return ShadowSkip::timeout;
  if (!ended) {
    service->failed(deadlines_.now());
    co_return skip_of(ended.error());
  }
  service->succeeded();
  service->keep();
  co_return ShadowSkip::none;
}

Task<void> Shadows::exchange(ShadowCopy& copy, UpstreamConnection& service, std::string_view head,
                             RecordedAnswer& answer) {
  if (copy.request_body.empty()) {
    CO_TRY(co_await service.send(head));
  } else {
    CO_TRY(co_await service.send(std::string(head) + copy.request_body));
  }
  do {
    CO_TRY(co_await service.read_head(copy.method));
  } while (service.head().status < 200 && service.head().status != 101);
  copy.add(answer.head, service.head_bytes());
  if (service.framing().kind == http1::Framing::Kind::none) co_return Status{};
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
