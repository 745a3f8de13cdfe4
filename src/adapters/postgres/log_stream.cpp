#include "adapters/postgres/log_stream.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <map>
#include <optional>

#include "adapters/postgres/names.hpp"
#include "model/catalog.hpp"
#include "protocol/pgoutput_decoder.hpp"
#include "protocol/replication_stream.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow::postgres {

using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

// The server's default is 64 MB; a transaction that needs more goes through its disk, which takes it longer
// than decoding does. In parts, this is the size of a part.
constexpr const char* kMemoryForWhole = "-c logical_decoding_work_mem=256MB";
constexpr const char* kMemoryForPart = "-c logical_decoding_work_mem=8MB";

// The log gives the lower half of an id, and ids go round. Whoever has ended stands less than half a round
// before the end of a snapshot; who stands there or behind it is still open.
constexpr std::string_view kOutcomeSql =
    "SELECT CASE WHEN before BETWEEN 1 AND 2147483647 THEN pg_xact_status((next - before)::text::xid8) "
    "ELSE 'in progress' END FROM (SELECT next, (next - $1::bigint) & 4294967295 AS before "
    "FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next) ids) distance";
constexpr std::size_t kOutcomesMax = 1000;  // more would cost more than reading again

constexpr std::size_t kReadBytes = 1 << 20;
constexpr Duration kStatusEvery = 1s;      // at least so often, also while nobody reads
constexpr Duration kConfirmEvery = 100ms;  // at most so often at the wish of confirm()
constexpr Duration kGatherFor = 1ms;       // between two reads: a busy server sends every row by itself
constexpr Duration kSilentAfter = 15s;     // then we ask the server whether it is still there
constexpr Duration kSlotBusyMax = 5s;      // the server needs a moment to notice that our last run is dead
constexpr Duration kSlotBusyRetry = 100ms;

}  // namespace

struct PgLogStream::State {
  explicit State(asio::any_io_executor executor) : status_timer(std::move(executor)) {}

  std::unique_ptr<Connection> connection;
  PgoutputDecoder decoder;
  std::map<std::uint32_t, bool> is_committed;  // of (sub)transactions that come in parts
  int in_parts = 0;                            // transactions that have begun and not ended
  std::optional<LogEvent> undecided;           // of one whose outcome is not known yet
  std::unique_ptr<Connection> outcomes;        // asks for it
  asio::steady_timer status_timer;
  std::string pending;  // a message that idle() found, not yet given out
  bool has_pending = false;
  bool reading = false;  // a read() is in progress, and whatever comes is for it
  Lsn received;
  Lsn confirmed;
  Lsn confirmed_sent;
  Instant last_status{};
  Instant last_message{};
  Instant last_read{};

  struct EndReading {
    void operator()(State* state) const { state->reading = false; }
  };
  std::unique_ptr<State, EndReading> begin_reading() {
    reading = true;
    return std::unique_ptr<State, EndReading>(this);
  }

  // Tells the server how far we are, without waiting: if the socket is full, the next send takes it along. A
  // broken connection is noticed by the next read().
  void send_status(bool reply_wanted = false) {
    last_status = monotonic_now();
    confirmed_sent = confirmed;
    StatusUpdate status{received, confirmed, confirmed, wall_now(), reply_wanted};
    (void)connection->copy_both_send(encode_status_update(status));
  }

  static void keep_informed(const std::shared_ptr<State>& state) {
    state->status_timer.expires_after(kStatusEvery);
    state->status_timer.async_wait([weak = std::weak_ptr(state)](const boost::system::error_code& error) {
      auto alive = weak.lock();
      if (error || !alive || !alive->connection->is_open()) return;
      alive->send_status(monotonic_now() - alive->last_message > kSilentAfter);
      keep_informed(alive);
    });
  }

  // Decodes one CopyData message; its size if it held an event.
  Result<std::size_t> take(std::string_view bytes, std::vector<LogEvent>& out) {
    last_message = monotonic_now();
    auto message = TRY(decode_replication_message(bytes));
    if (auto* keepalive = std::get_if<Keepalive>(&message)) {
      received = std::max(received, keepalive->end_lsn);
      if (keepalive->reply_wanted) send_status();
      out.emplace_back(*keepalive);
      return bytes.size();
    }
    const auto& data = std::get<LogData>(message);
    received = std::max({received, data.start, data.end});
    auto event = TRY(decoder.decode(data.payload, data.start));
    if (!event) return 0;
    if (auto xid = decoder.part_xid(); xid != 0) {
      auto known = is_committed.find(xid);
      if (known == is_committed.end()) return undecided = std::move(*event), bytes.size();
      if (!known->second) return TRY(left_out(*event)), bytes.size();
    }
    note_parts(*event);
    out.push_back(std::move(*event));
    return bytes.size();
  }

  void note_parts(const LogEvent& event) {
    if (auto* begin = std::get_if<Begin>(&event)) in_parts += begin->in_parts ? 1 : 0;
    auto* commit = std::get_if<Commit>(&event);
    if (commit != nullptr && commit->xid != 0 && --in_parts == 0) is_committed.clear();
  }

  // The shape of a table may have been sent only here, and may have been rolled back as well.
  static Status left_out(const LogEvent& event) {
    if (!std::holds_alternative<Relation>(event)) return {};
    return Err(ErrorCode::needs_care, "a part of a large transaction that was rolled back names {}",
               to_string(std::get<Relation>(event).name));
  }
};

namespace {

// What to do about a slot that does not work any more depends on nothing but that.
Error explain(Error error, const std::string& slot) {
  auto state = sqlstate_of(error);
  bool slot_is_gone = state == "42704" || state == "55000" || state == "58P01";
  if (!slot_is_gone) return error;
  return {ErrorCode::lost_position,
          fmt::format(
              "replication slot {} cannot be read any more, so changes are lost; roll every mirrored cohort "
              "back to `legacy` and advance it again: {}",
              slot, error.detail)};
}

}  // namespace

PgLogStream::PgLogStream(ConnectionSettings settings, std::string migration, Lsn start,
                         LargeTransactions large)
    : settings_(std::move(settings)), migration_(std::move(migration)), start_(start), large_(large) {}

// The server need not decode again what it knows to be stored.
PgLogStream::~PgLogStream() {
  if (!state_) return;
  state_->status_timer.cancel();
  if (state_->confirmed > state_->confirmed_sent && state_->connection->is_open()) state_->send_status();
}

Task<void> PgLogStream::start() {
  auto slot = slot_name(migration_);
  bool in_parts = large_ == LargeTransactions::in_parts;
  auto sql = fmt::format(
      "START_REPLICATION SLOT {} LOGICAL {} ({}, publication_names '{}', messages 'true', binary 'true')",
      slot, to_string(start_), in_parts ? "proto_version '2', streaming 'on'" : "proto_version '1'", slot);
  auto settings = settings_;
  settings.replication = true;
  settings.defaults = in_parts ? kMemoryForPart : kMemoryForWhole;
  auto state = std::make_shared<State>(co_await asio::this_coro::executor);
  auto give_up_at = monotonic_now() + kSlotBusyMax;
  while (true) {
    state->connection = CO_TRY(co_await Connection::open(settings));
    auto started = co_await state->connection->copy_both_begin(sql);
    if (started) break;
    bool busy = started.error().code == ErrorCode::already_running;
    if (!busy || monotonic_now() > give_up_at)
      co_return std::unexpected(explain(std::move(started).error(), slot));
    CO_TRY(co_await sleep_for(kSlotBusyRetry));
  }
  state->received = state->confirmed = state->confirmed_sent = start_;
  state->last_message = state->last_status = monotonic_now();
  State::keep_informed(state);
  state_ = std::move(state);
  co_return Status{};
}

Task<void> PgLogStream::read(std::vector<LogEvent>& out) {
  if (!state_) CO_TRY(co_await start());
  State& state = *state_;
  auto reading = state.begin_reading();
  if (monotonic_now() - state.last_read < kGatherFor) CO_TRY(co_await sleep_for(kGatherFor));
  std::size_t bytes = 0;
  if (std::exchange(state.has_pending, false)) bytes += CO_TRY(state.take(state.pending, out));
  if (state.undecided) CO_TRY(co_await decide(out));
  while (bytes == 0) {
    auto message = co_await state.connection->copy_both_receive();
    if (!message) co_return std::unexpected(explain(std::move(message).error(), slot_name(migration_)));
    bytes += CO_TRY(state.take(*message, out));
    if (state.undecided) CO_TRY(co_await decide(out));
  }
  while (bytes < kReadBytes) {
    auto message = CO_TRY(state.connection->copy_both_poll());
    if (!message) break;
    bytes += CO_TRY(state.take(*message, out));
    if (state.undecided) CO_TRY(co_await decide(out));
  }
  state.last_read = monotonic_now();
  co_return Status{};
}

// Asks whether a transaction that comes in parts has been committed, which most have: it is read because we
// are behind.
Task<void> PgLogStream::decide(std::vector<LogEvent>& out) {
  State& state = *state_;
  auto event = *std::exchange(state.undecided, std::nullopt);
  auto xid = state.decoder.part_xid();
  if (!state.outcomes) state.outcomes = CO_TRY(co_await Connection::open(settings_));
  Rows rows = CO_TRY(co_await state.outcomes->exec_params(std::string(kOutcomeSql), {{std::to_string(xid)}}));
  auto outcome = rows.is_null(0, 0) ? "unknown" : rows.text(0, 0);
  bool is_whole = std::holds_alternative<Begin>(event);
  bool is_clear = outcome == "committed" || (outcome == "aborted" && !is_whole);
  if (!is_clear || state.is_committed.size() >= kOutcomesMax) {
    co_return Err(ErrorCode::needs_care, "large transaction {} is {}", xid,
                  is_clear ? "made of too many parts" : "not committed yet");
  }
  state.is_committed[xid] = outcome == "committed";
  if (outcome == "aborted") co_return State::left_out(event);
  state.note_parts(event);
  out.push_back(std::move(event));
  co_return Status{};
}

bool PgLogStream::idle() const {
  if (!state_ || state_->reading) return true;
  if (state_->has_pending) return false;
  auto message = state_->connection->copy_both_poll();
  if (!message || !*message) return true;
  state_->pending = **message;
  state_->has_pending = true;
  return false;
}

void PgLogStream::confirm(Lsn position) {
  if (!state_ || position <= state_->confirmed) return;
  state_->confirmed = position;
  bool due = monotonic_now() - state_->last_status > kConfirmEvery;
  if (due && state_->connection->is_open()) state_->send_status();
}

}  // namespace oxbow::postgres
