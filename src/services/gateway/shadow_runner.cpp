#include "services/gateway/shadow_runner.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "runtime/cancellation.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

// Copies are gathered for a moment, because waking a thread for each would cost the users' thread more than
// the copy does.
constexpr Duration kGatherFor = std::chrono::milliseconds(1);

// Users come in bursts. Behind one of them, shadows take nothing from anybody.
constexpr Duration kHoldMax = std::chrono::milliseconds(10);

// A side that has made a shadow wait for so long cannot keep pace.
constexpr Duration kWaitMax = std::chrono::milliseconds(100);
constexpr Duration kLookAtRefusing = std::chrono::milliseconds(50);

// How long a second look waits for a connection.
constexpr Duration kCrowdedWait = std::chrono::milliseconds(50);
constexpr int kCrowdedWaitsMax = 40;

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

bool is_failure(ShadowSkip why) {
  return why == ShadowSkip::unreachable || why == ShadowSkip::timeout || why == ShadowSkip::broken_off;
}

}  // namespace

ShadowRunner::ShadowRunner(ShadowRunnerParts parts)
    : parts_(std::move(parts)), looks_saved_(kLooksSavedMax), running_(parts_.executor) {}

void ShadowRunner::take(std::unique_ptr<ShadowCopy> copy) {
  {
    std::lock_guard lock(taken_mutex_);
    taken_.push_back(std::move(copy));
    if (std::exchange(is_awake_, true)) return;
  }
  boost::asio::post(parts_.executor, [this] { running_.spawn(begin_taken()); });
}

// Lives while there is something to be begun.
Task<void> ShadowRunner::begin_taken() {
  while (true) {
    CO_TRY(co_await sleep_for(kGatherFor));
    for (Duration held{}; held < kHoldMax && parts_.users_wait(); held += kGatherFor)
      CO_TRY(co_await sleep_for(kGatherFor));
    bool is_idle = !collect_taken();
    for (auto side : {Side::legacy, Side::new_side}) {
      begin_waiting(side);
      look_after(side);
      is_idle = is_idle && of(side).waiting.empty();
    }
    if (!is_idle) continue;
    std::lock_guard lock(taken_mutex_);
    is_awake_ = !taken_.empty();
    if (!is_awake_) co_return Status{};
  }
}

// Lives while the side refuses, beside what the other side is asked.
Task<void> ShadowRunner::watch_refusing(Side side) {
  while (refuses(side) != ShadowSkip::none) {
    CO_TRY(co_await sleep_for(kLookAtRefusing));
    look_after(side);
  }
  of(side).is_watched = false;
  co_return Status{};
}

bool ShadowRunner::collect_taken() {
  std::vector<std::unique_ptr<ShadowCopy>> copies;
  {
    std::lock_guard lock(taken_mutex_);
    copies.swap(taken_);
  }
  looks_saved_ =
      std::min(looks_saved_ + kLooksPerShadow * static_cast<double>(copies.size()), kLooksSavedMax);
  for (auto& copy : copies) {
    auto& service = of(other(copy->answered_by));
    service.waiting.push_back({std::move(copy), monotonic_now()});
  }
  return !copies.empty();
}

void ShadowRunner::begin_waiting(Side side) {
  auto& service = of(side);
  for (auto waiting = service.waiting.size(); waiting > 0 && has_room(side); --waiting)
    running_.spawn(work_through(side, Place(service)));
}

// One question after the other, as long as any waits.
Task<void> ShadowRunner::work_through(Side side, Place) {
  auto& waiting = of(side).waiting;
  while (!waiting.empty() && !co_await is_cancelled()) {
    auto copy = std::move(waiting.front().copy);
    waiting.pop_front();
    CO_TRY(co_await run(side, std::move(copy)));
  }
  co_return Status{};
}

// While it refuses, those that wait for it are dropped as well.
void ShadowRunner::look_after(Side side) {
  auto& service = of(side);
  auto why = reason_to_refuse(side);
  service.refuses.store(why, std::memory_order_relaxed);
  if (why == ShadowSkip::none) return;
  for (const auto& each : service.waiting) parts_.on_skip(*each.copy, why);
  service.waiting.clear();
  if (!std::exchange(service.is_watched, true)) running_.spawn(watch_refusing(side));
}

ShadowSkip ShadowRunner::reason_to_refuse(Side side) const {
  const auto& waiting = of(side).waiting;
  if (!parts_.upstreams.of(side).is_available()) return ShadowSkip::left_alone;
  if (has_room(side)) return ShadowSkip::none;
  bool cannot_keep_pace = refuses(side) == ShadowSkip::connections ||
                          (!waiting.empty() && monotonic_now() - waiting.front().since > kWaitMax);
  return cannot_keep_pace ? ShadowSkip::connections : ShadowSkip::none;
}

// The times of shadow and twin can be compared: both are asked here, one behind the other in an order that
// alternates, and they count where each had as many others beside it. The user's own answer had other
// company.
Task<void> ShadowRunner::run(Side side, std::unique_ptr<ShadowCopy> copy) {
  auto why = ShadowSkip::left_alone;
  RecordedAnswer twin;
  int beside_twin = -1;
  bool has_twin = false;
  if (parts_.upstreams.of(side).is_available()) {
    has_twin = copy->takes_twin && has_room(Side::legacy);
    bool twin_is_first = has_twin && side != Side::legacy && takes_turn(*copy, twin_is_first_);
    if (twin_is_first) co_await ask_twin(*copy, twin, beside_twin);
    auto beside_shadow = beside(side);
    why = copy->skip() == ShadowSkip::none ? co_await ask(*copy, side, copy->shadow_answer) : copy->skip();
    if (has_twin && !twin_is_first && why == ShadowSkip::none && has_room(Side::legacy))
      co_await ask_twin(*copy, twin, beside_twin);
    copy->is_asked_alike = side != Side::legacy && beside_twin == beside_shadow;
  }
  if (why == ShadowSkip::none) why = copy->skip();    // no room for the twin has taken the first answers, too
  if (is_failure(why) && !co_await is_cancelled()) {  // who stops us is not the service
    copy->failure = why;
  } else if (why != ShadowSkip::none) {
    parts_.on_skip(*copy, why);
    co_return Status{};
  }
  copy->twin_answer = std::move(twin);
  parts_.on_pair(std::move(copy));
  co_return Status{};
}

bool ShadowRunner::takes_turn(const ShadowCopy& copy, Turns& turns) {
  auto& is_first = turns[copy.routing->routes->texts[copy.route]];
  return std::exchange(is_first, !is_first);
}

// Leaves `beside` as it is where there is no answer.
boost::asio::awaitable<void> ShadowRunner::ask_twin(ShadowCopy& copy, RecordedAnswer& twin, int& beside) {
  Place asked(of(Side::legacy));
  auto others = this->beside(Side::legacy);
  RecordedAnswer answer;
  if (co_await ask(copy, Side::legacy, answer) != ShadowSkip::none) co_return;
  twin = std::move(answer);
  beside = others;
}

void ShadowRunner::look_again(std::unique_ptr<ShadowCopy> copy, Duration after) {
  boost::asio::post(parts_.executor,
                    [this, copy = std::move(copy), after]() mutable { begin_again(std::move(copy), after); });
}

void ShadowRunner::begin_again(std::unique_ptr<ShadowCopy> copy, Duration after) {
  if (looks_saved_ < 1) {
    copy->look = ShadowCopy::Look::only;
    parts_.on_pair(std::move(copy));
    return;
  }
  looks_saved_ -= 1;
  running_.spawn(run_again(std::move(copy), after));
}

// Many pairs differ at once when many rows are on their way: those that found no connection would count as
// different.
boost::asio::awaitable<ShadowSkip> ShadowRunner::ask_in_turn(ShadowCopy& copy, Side side,
                                                             RecordedAnswer& answer) {
  for (int waits = 0; waits < kCrowdedWaitsMax && !has_room(side); ++waits)
    if (!co_await sleep_for(kCrowdedWait)) co_return ShadowSkip::broken_off;
  if (!has_room(side)) co_return ShadowSkip::connections;
  Place asked(of(side));
  co_return co_await ask(copy, side, answer);
}

Task<void> ShadowRunner::run_again(std::unique_ptr<ShadowCopy> copy, Duration after) {
  CO_TRY(co_await sleep_for(after));
  RecordedAnswer answer, shadow_answer, twin;
  bool has_twin = !copy->twin_answer.head.empty();
  bool twin_is_first = has_twin && takes_turn(*copy, twin_is_first_again_);
  auto ask_twin_again = [&] { return ask_in_turn(*copy, Side::legacy, twin); };
  bool looked = co_await ask_in_turn(*copy, copy->answered_by, answer) == ShadowSkip::none &&
                (!twin_is_first || co_await ask_twin_again() == ShadowSkip::none) &&
                co_await ask_in_turn(*copy, other(copy->answered_by), shadow_answer) == ShadowSkip::none &&
                (!has_twin || twin_is_first || co_await ask_twin_again() == ShadowSkip::none);
  if (copy->skip() != ShadowSkip::none) {  // nothing is left to compare, which is not the same as equal
    parts_.on_skip(*copy, copy->skip());
    co_return Status{};
  }
  copy->look = looked ? ShadowCopy::Look::second : ShadowCopy::Look::only;
  if (looked) {
    answer.took = copy->answer.took;  // those of the first look count
    shadow_answer.took = copy->shadow_answer.took;
    twin.took = copy->twin_answer.took;
    copy->answer = std::move(answer);
    copy->shadow_answer = std::move(shadow_answer);
    copy->twin_answer = std::move(twin);
  }
  parts_.on_pair(std::move(copy));
  co_return Status{};
}

// The answer of one side, or the reason why there is none. What is asked changes nothing, so that a kept
// connection which turns out to be dead costs no pair.
boost::asio::awaitable<ShadowSkip> ShadowRunner::ask(ShadowCopy& copy, Side side, RecordedAnswer& answer) {
  auto& upstream = parts_.upstreams.of(side);
  auto why = ShadowSkip::none;
  bool was_stale = true;
  if (auto kept = upstream.take_idle()) why = co_await ask_on(*kept, copy, answer, was_stale);
  if (was_stale) {
    auto dialled = co_await upstream.connect();
    if (!dialled) co_return skip_of(dialled.error());
    why = co_await ask_on(*dialled, copy, answer, was_stale);
  }
  co_return why;
}

boost::asio::awaitable<ShadowSkip> ShadowRunner::ask_on(Upstream::Lease& service, ShadowCopy& copy,
                                                        RecordedAnswer& answer, bool& was_stale) {
  was_stale = false;
  auto& connection = *service;
  Deadline deadline(parts_.deadlines, [&connection] { connection.close(); });
  deadline.set(parts_.time_max);
  // A group ends with its first failure, and what befalls one shadow must not befall the others.
  auto ended = co_await run_guarded(exchange(copy, connection, answer));
  // A side that says nothing but what is too much costs more than it tells.
  if (copy.skip() == ShadowSkip::body_too_large) {
    service.failed();
    co_return ShadowSkip::answer_too_large;
  }
  if (copy.skip() != ShadowSkip::none) co_return copy.skip();
  if (deadline.has_expired()) {
    service.failed();
    co_return ShadowSkip::timeout;
  }
  was_stale = !ended && connection.was_used() && !connection.has_answered() &&
              ended.error().code == ErrorCode::connection_lost;
  if (!ended) {
    bool was_stopped = co_await is_cancelled();  // which tells nothing of the service
    if (!was_stale && !was_stopped) service.failed();
    co_return skip_of(ended.error());
  }
  service.succeeded();
  service.keep();
  co_return ShadowSkip::none;
}

// A request to stop is lost on what has come already.
Task<void> ShadowRunner::exchange(ShadowCopy& copy, UpstreamConnection& service, RecordedAnswer& answer) {
  Instant asked_at{};
  for (std::string_view bytes : {std::string_view(copy.request_head), std::string_view(copy.request_body)}) {
    if (bytes.empty()) continue;
    asked_at = monotonic_now();
    auto rest = service.send_now(bytes);
    if (rest.empty()) continue;
    CO_TRY(co_await service.send(rest));
    asked_at = monotonic_now();
  }
  do {
    if (co_await is_cancelled()) co_return Err(ErrorCode::cancelled);
    CO_TRY(co_await service.read_head(copy.method));
  } while (service.head().status < 200 && service.head().status != 101);
  copy.add(answer.head, service.head_bytes());
  answer.took = monotonic_now() - asked_at;
  if (service.framing().kind == http1::Framing::Kind::none) co_return Status{};
  if (service.framing().length > parts_.body_bytes_max) copy.give_up(ShadowSkip::body_too_large);
  while (copy.skip() == ShadowSkip::none) {
    if (co_await is_cancelled()) co_return Err(ErrorCode::cancelled);
    auto part = CO_TRY(co_await service.read_body());
    copy.add(answer.body, part.bytes);
    answer.took = monotonic_now() - asked_at;
    if (part.is_last) break;
  }
  co_return Status{};
}

Task<void> ShadowRunner::stop() {
  running_.cancel();
  co_return co_await running_.wait();
}

}  // namespace oxbow
