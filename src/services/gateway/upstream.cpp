#include "services/gateway/upstream.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/deadline.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kLeftAloneMin = std::chrono::seconds(1);

// Shares of failed answers: from the one on an address is left alone for others, which must be below the
// second.
constexpr double kMostly = 2.0 / 3;
constexpr double kOften = 0.5;

// What is wrong with `service`, for a sentence that has named it already.
std::string reason(const Error& error, const ServiceAddress& service) {
  if (error.detail.empty()) return std::string(sentence(error.code));
  auto named = to_string(service) + ": ";
  return error.detail.substr(error.detail.starts_with(named) ? named.size() : 0);
}

}  // namespace

// ---- UpstreamConnection ----

UpstreamConnection::UpstreamConnection(std::unique_ptr<ByteStream> stream, const UpstreamLimits& limits,
                                       Deadlines& deadlines)
    : stream_(std::move(stream)),
      limits_(limits),
      sending_(deadlines, [this] { stream_->close(false); }),
      reading_(deadlines, [this] { stream_->close(false); }),
      reader_(*stream_, kAnswerHead) {}

std::string_view UpstreamConnection::send_now(std::string_view bytes) {
  return bytes.substr(stream_->write_now(bytes));
}

Task<void> UpstreamConnection::send(std::string_view bytes) {
  sending_.set(limits_.body_time_max);
  auto sent = co_await stream_->write(bytes);
  sending_.clear();
  co_return sent;
}

void UpstreamConnection::begin_upload() {
  is_uploading_ = true;
  if (is_waiting_) reading_.clear();
}

void UpstreamConnection::end_upload() {
  is_uploading_ = false;
  if (is_waiting_) reading_.set(limits_.answer_time_max);
}

Task<void> UpstreamConnection::read_head(std::string_view method) {
  is_waiting_ = true;
  if (!is_uploading_) reading_.set(limits_.answer_time_max);
  auto begun = co_await reader_.wait_for_message();
  bool begins = begun && *begun;
  has_answered_ = has_answered_ || begins;
  Result<std::string_view> bytes;
  if (begins) {
    auto now = reader_.head_now();
    if (now && *now)
      bytes = **now;
    else
      bytes = co_await reader_.read_head();
  }
  reading_.clear();
  is_waiting_ = false;
  if (reading_.has_expired())
    co_return Err(ErrorCode::timeout, "no answer within {}", human_duration(limits_.answer_time_max));
  if (sending_.has_expired())
    co_return Err(ErrorCode::timeout, "nothing was taken for {}", human_duration(limits_.body_time_max));
  CO_TRY(std::move(begun));
  if (!begins) co_return Err(ErrorCode::connection_lost, "the service closed the connection");
  head_bytes_ = CO_TRY(std::move(bytes));
  http1::Framing framing;
  auto refusal = http1::parse_response_head(head_bytes_, kAnswerHead, head_);
  if (!refusal) refusal = http1::response_framing(method, head_, framing);
  if (refusal) co_return Err(ErrorCode::malformed, "the service's answer: {}", refusal->sentence);
  reader_.begin_body(framing);
  if (head_.status >= 200) ++answers_;
  co_return Status{};
}

Task<BodyPart> UpstreamConnection::read_body() {
  reading_.set(limits_.body_time_max);
  auto part = co_await reader_.read_body();
  reading_.clear();
  if (!part && reading_.has_expired())
    co_return Err(ErrorCode::timeout, "the answer stood still for {}", human_duration(limits_.body_time_max));
  co_return part;
}

bool UpstreamConnection::is_reusable() const {
  return reader_.body_is_done() && reader_.unread().empty() && head_.status >= 200 &&
         reader_.framing().kind != http1::Framing::Kind::until_close &&
         http1::keeps_alive(head_.minor_version, head_.fields);
}

// ---- Upstream ----

namespace {

// How many of its latest requests an address has answered. What lies longer back counts less.
class RecentAnswers {
 public:
  void add(bool has_failed, Instant now) {
    forget(now);
    if (failed_ + answered_ >= kCountedMax) {
      failed_ /= 2;
      answered_ /= 2;
    }
    ++(has_failed ? failed_ : answered_);
    last_ = now;
  }

  // After the next one that fails, it has failed as often as that.
  void begin_with(int failed) {
    failed_ = failed;
    answered_ = 0;
  }

  int failed() const { return failed_; }
  int count() const { return failed_ + answered_; }
  bool failed_more_than(double share, Instant now) const {
    return failed_ > share * count() && now - last_ <= kCountedFor;
  }

 private:
  static constexpr int kCountedMax = 20;
  static constexpr Duration kCountedFor = std::chrono::minutes(1);  // without another one

  void forget(Instant now) {
    if (now - last_ > kCountedFor) failed_ = answered_ = 0;
  }

  int failed_ = 0;
  int answered_ = 0;
  Instant last_{};
};

}  // namespace

struct Upstream::Address {
  explicit Address(ServiceAddress where) : service(std::move(where)) {}

  ServiceAddress service;
  std::vector<std::unique_ptr<UpstreamConnection>> idle;
  int failures = 0;  // in a row
  RecentAnswers recent;
  Duration left_alone = kLeftAloneMin;
  std::atomic<Instant> left_alone_until{};
  std::atomic<Instant> passed_over_until{};  // where there is another
  std::atomic<bool> is_failing = false;      // and has not answered since
  int unhealthy_answers = 0;                 // in a row
  std::atomic<bool> is_healthy = true;

  bool may_be_asked(Instant now) const { return is_healthy && left_alone_until.load() <= now; }
  bool is_first_choice(Instant now) const { return may_be_asked(now) && passed_over_until.load() <= now; }
};

Upstream::Upstream(Dialer& dialer, Deadlines& deadlines, std::vector<ServiceAddress> addresses,
                   UpstreamLimits limits)
    : dialer_(dialer), deadlines_(deadlines), limits_(std::move(limits)) {
  for (auto& address : addresses) addresses_.push_back(std::make_unique<Address>(std::move(address)));
}

Upstream::~Upstream() = default;

Upstream::Lease::Lease(Upstream& upstream, Address& address, std::unique_ptr<UpstreamConnection> connection)
    : upstream_(&upstream), address_(&address), connection_(std::move(connection)) {
  upstream.count_under_way(1);
}

Upstream::Lease::Lease(Lease&& other) noexcept
    : upstream_(std::exchange(other.upstream_, nullptr)),
      address_(other.address_),
      connection_(std::move(other.connection_)),
      kept_(other.kept_) {}

Upstream::Lease::~Lease() {
  if (upstream_ == nullptr) return;
  upstream_->count_under_way(-1);
  if (kept_ && address_->idle.size() < upstream_->limits_.idle_connections_max)
    address_->idle.push_back(std::move(connection_));
}

void Upstream::Lease::keep() {
  kept_ = connection_->is_reusable();
}

void Upstream::Lease::succeeded() {
  address_->failures = 0;
  address_->recent.add(false, upstream_->deadlines_.now());
  address_->left_alone = kLeftAloneMin;
  address_->is_failing.store(false, std::memory_order_relaxed);
}

void Upstream::Lease::failed() {
  if (upstream_->limits_.is_needed)
    upstream_->failed(*address_);
  else
    upstream_->refused(*address_);
}

// Who fails while it is left alone was asked before, and one moment makes it no sicker than it is.
void Upstream::refused(Address& address) {
  if (!address.may_be_asked(deadlines_.now())) return;
  if (++address.failures < limits_.failures_max) return;
  leave_alone(address, address.left_alone_until, fmt::format("{} times in a row", address.failures));
  address.is_failing = true;
  address.failures = limits_.failures_max - 1;  // one more try decides
}

// An answer may fail because of what was asked: then it fails wherever that is asked, and others must not be
// kept from a service that is well.
void Upstream::failed(Address& address) {
  auto now = deadlines_.now();
  if (!address.is_first_choice(now)) return;
  auto& recent = address.recent;
  recent.add(true, now);
  if (recent.failed() < limits_.failures_max) return;
  if (recent.failed() == recent.count()) address.is_failing = true;
  if (!recent.failed_more_than(kMostly, now) || !another_does_better(address)) return;
  leave_alone(address, address.passed_over_until,
              fmt::format("{} of {} times", recent.failed(), recent.count()));
  recent.begin_with(limits_.failures_max - 1);
}

bool Upstream::another_does_better(const Address& than) const {
  auto now = deadlines_.now();
  return std::ranges::any_of(addresses_, [&](const auto& each) {
    return each.get() != &than && each->is_first_choice(now) && !each->recent.failed_more_than(kOften, now);
  });
}

// Where users have no other address, waiting longer spares nobody: they would get nothing although it is
// back.
void Upstream::leave_alone(Address& address, std::atomic<Instant>& until, std::string_view how) {
  auto now = deadlines_.now();
  bool others_answer = std::ranges::any_of(
      addresses_, [&](const auto& each) { return each.get() != &address && each->may_be_asked(now); });
  auto time = limits_.is_needed && !others_answer ? kLeftAloneMin : address.left_alone;
  log_warn("{} failed {}; {} leave it alone for {}", to_string(address.service), how, limits_.user,
           human_duration(time));
  until = now + time;
  address.left_alone = std::min(2 * address.left_alone, limits_.left_alone_max);
  address.idle.clear();
}

bool Upstream::is_available() const {
  return std::ranges::any_of(addresses_,
                             [&](const auto& each) { return each->may_be_asked(deadlines_.now()); });
}

std::vector<Upstream::AddressState> Upstream::addresses() const {
  auto now = monotonic_now();
  bool has_choice =
      std::ranges::any_of(addresses_, [&](const auto& each) { return each->is_first_choice(now); });
  std::vector<AddressState> states;
  for (const auto& each : addresses_)
    states.push_back({.address = to_string(each->service),
                      .is_left_alone = has_choice ? !each->is_first_choice(now) : !each->may_be_asked(now),
                      .is_failing = each->is_failing || !each->is_healthy});
  return states;
}

// In turn, among those that are not left alone; and before a user gets nothing, of those that take
// connections.
Upstream::Address* Upstream::choose(std::span<Address* const> but) {
  auto in_turn = [&](auto is_wanted) -> Address* {
    for (std::size_t tried = 0; tried < addresses_.size(); ++tried) {
      next_ = next_ + 1 < addresses_.size() ? next_ + 1 : 0;
      auto* address = addresses_[next_].get();
      if (is_wanted(*address) && std::ranges::find(but, address) == but.end()) return address;
    }
    return nullptr;
  };
  auto now = deadlines_.now();
  if (auto* address = in_turn([&](const Address& each) { return each.is_first_choice(now); })) return address;
  return in_turn([&](const Address& each) { return each.may_be_asked(now); });
}

// Of the address whose turn it is; if it has none, it is still its turn.
std::optional<Upstream::Lease> Upstream::take_idle() {
  auto before = next_;
  auto* address = choose();
  while (address != nullptr && !address->idle.empty()) {
    auto connection = std::move(address->idle.back());
    address->idle.pop_back();
    if (!connection->stream().is_quiet()) continue;
    connection->renew();
    return Lease(*this, *address, std::move(connection));
  }
  next_ = before;
  return std::nullopt;
}

Task<Upstream::Lease> Upstream::connect() {
  std::optional<Error> last;
  std::vector<Address*> tried;
  while (auto* address = choose(tried)) {
    auto dialled = co_await dial(*address);
    if (dialled) co_return Lease(*this, *address, std::move(*dialled));
    last = dialled.error();
    if (last->code == ErrorCode::cancelled) break;
    tried.push_back(address);
  }
  if (last) co_return std::unexpected(std::move(*last));
  co_return Err(ErrorCode::unreachable,
                "every address of this side is left alone for a moment after failures");
}

Task<std::unique_ptr<UpstreamConnection>> Upstream::dial(Address& address) {
  auto stream = co_await with_deadline(dialer_.connect(address.service), limits_.connect_time_max);
  if (stream) co_return std::make_unique<UpstreamConnection>(std::move(*stream), limits_, deadlines_);
  if (stream.error().code != ErrorCode::cancelled && !co_await is_cancelled()) refused(address);
  co_return std::unexpected(stream.error());
}

Task<void> Upstream::watch_health() {
  if (limits_.health_path.empty()) co_return Status{};
  while (true) {
    for (auto& address : addresses_) {
      auto answered = co_await with_deadline(ask(*address), limits_.health_every);
      if (!answered && answered.error().code == ErrorCode::cancelled) co_return answered;
      address->unhealthy_answers = answered ? 0 : address->unhealthy_answers + 1;
      bool is_healthy = address->unhealthy_answers < limits_.failures_max;
      if (address->is_healthy != is_healthy)
        log_warn("{} is {}", to_string(address->service),
                 is_healthy
                     ? "healthy again"
                     : "unhealthy and gets no requests: " + reason(answered.error(), address->service));
      address->is_healthy = is_healthy;
    }
    CO_TRY(co_await sleep_for(limits_.health_every));
  }
}

Task<void> Upstream::ask(Address& address) {
  auto stream = CO_TRY(co_await dialer_.connect(address.service));
  UpstreamConnection connection(std::move(stream), limits_, deadlines_);
  CO_TRY(co_await connection.send(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                                              limits_.health_path, address.service.at.host)));
  CO_TRY(co_await connection.read_head("GET"));
  if (connection.head().status < 200 || connection.head().status >= 400)
    co_return Err(ErrorCode::unreachable, "its health answer is {}", connection.head().status);
  co_return Status{};
}

}  // namespace oxbow
