#include "services/gateway/client_connection.hpp"

#include <array>

#include "protocol/http2/session.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kKeptOutBytes = 4 << 10;
constexpr Duration kLinger = std::chrono::seconds(2);
constexpr std::size_t kLingerBytes = 1 << 20;
constexpr std::string_view kTooSlow =
    "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 34\r\n"
    "Connection: close\r\n\r\nthe request did not come in time.\n";

std::string_view reason_of(int status) {
  switch (status) {
    case 405:
      return "Method Not Allowed";
    case 414:
      return "URI Too Long";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Bad Request";
  }
}

}  // namespace

ClientConnection::ClientConnection(std::unique_ptr<ByteStream> stream, const ClientLimits& limits,
                                   Deadlines& deadlines)
    : stream_(std::move(stream)),
      limits_(limits),
      deadline_(deadlines, [this] { expire(); }),
      reader_(*stream_, limits.head) {}

http1::Requester ClientConnection::requester() const {
  return {stream_->peer_address(), stream_->is_encrypted()};
}

Task<void> ClientConnection::open() {
  idle_ = true;
  deadline_.set(limits_.header_time_max);
  auto opened = co_await stream_->shake_hands();
  deadline_.clear();
  speaks_http2_ = stream_->application_protocol() == "h2";
  co_return opened;
}

// Who has begun a request and has no answer yet is told; what the kernel does not take at once is lost.
void ClientConnection::expire() {
  if (!idle_ && !answer_begun_) stream_->write_now(kTooSlow);
  stream_->close(false);
}

Task<bool> ClientConnection::next_request() {
  answer_begun_ = answer_ended_ = close_ = false;
  reader_.rest();
  if (out_.capacity() > kKeptOutBytes) out_ = {};
  idle_ = reader_.unread().empty();
  if (idle_ && draining_) co_return false;
  deadline_.set(idle_ ? limits_.idle_time_max : limits_.header_time_max);
  auto has_begun = co_await reader_.wait_for_message();
  idle_ = false;
  if (!has_begun || !*has_begun) co_return false;
  Result<std::string_view> bytes;
  if (auto now = reader_.head_now(); now && *now) {
    bytes = **now;
  } else {
    deadline_.set(limits_.header_time_max);
    bytes = co_await reader_.read_head();
  }
  deadline_.clear();
  http1::Framing framing;
  if (!bytes && bytes.error().code == ErrorCode::malformed) refusal_ = reader_.refusal();
  if (!bytes && !refusal_) {
    if (deadline_.has_expired()) refusal_ = {408, "the header did not come in time"};
    co_return false;
  }
  if (bytes && *bytes == http2::kPrefaceHead && !has_spoken_ && !stream_->is_encrypted()) {
    speaks_http2_ = true;
    begun_ = *bytes;
    co_return false;
  }
  has_spoken_ = true;
  if (!refusal_) refusal_ = http1::parse_request_head(*bytes, limits_.head, head_);
  if (!refusal_) refusal_ = http1::request_framing(head_, framing);
  if (refusal_) {
    CO_TRY(co_await refuse(*refusal_));
    co_return false;
  }
  close_ = draining_ || !http1::keeps_alive(head_.minor_version, head_.fields);
  reader_.begin_body(framing);
  co_return true;
}

// What was refused has no end that we could know, so the connection ends.
Task<void> ClientConnection::refuse(const http1::Refusal& refusal) {
  answer_begun_ = true;
  auto text = refusal.sentence + "\n";
  out_ = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: "
      "close\r\n\r\n{}",
      refusal.status, reason_of(refusal.status), text.size(), text);
  CO_TRY(co_await flush());
  co_return co_await linger();
}

// A close while bytes are coming in would be a reset, which may take the answer away before the client has
// read it (RFC 9112, 9.6).
Task<void> ClientConnection::linger() {
  CO_TRY(co_await stream_->shutdown_write());
  deadline_.set(kLinger);
  std::array<char, 4096> ignored;
  for (std::size_t total = 0; total < kLingerBytes;) {
    auto read = CO_TRY(co_await stream_->read_some(ignored));
    if (read == 0) break;
    total += read;
  }
  co_return Status{};
}

bool ClientConnection::can_go_on() const {
  return answer_ended_ && !close_ && reader_.body_is_done();
}

Task<void> ClientConnection::finish() {
  if (answer_ended_ && !reader_.body_is_done()) co_return co_await linger();
  co_return Status{};
}

void ClientConnection::drain() {
  draining_ = true;
  if (idle_) stream_->close(false);
}

Task<BodyPart> ClientConnection::read_body() {
  deadline_.set(limits_.body_time_max);
  auto part = co_await reader_.read_body();
  deadline_.clear();
  co_return part;
}

void ClientConnection::pass_over_body() {
  while (!reader_.body_is_done()) {
    auto part = reader_.body_now();
    if (!part || !*part) return;
  }
}

void ClientConnection::add_interim(const ResponseHead& head) {
  if (head_.minor_version == 0) return;
  http1::append_response_head(out_, head, {}, {.upgrades = head.status == 101});
}

void ClientConnection::begin_answer(const ResponseHead& head, const http1::Framing& framing,
                                    std::span<const http1::OwnField> own) {
  answer_begun_ = true;
  answer_framing_ = framing;
  bool unknown_length =
      framing.kind == http1::Framing::Kind::chunked || framing.kind == http1::Framing::Kind::until_close;
  if (unknown_length) {
    bool takes_chunks = head_.minor_version > 0;
    answer_framing_.kind = takes_chunks ? http1::Framing::Kind::chunked : http1::Framing::Kind::until_close;
    close_ = close_ || !takes_chunks;
  }
  close_ = close_ || draining_ || !reader_.body_is_done();
  http1::append_response_head(out_, head, answer_framing_,
                              {.close = close_, .says_keep_alive = head_.minor_version == 0, .own = own});
}

void ClientConnection::add_body(std::string_view bytes) {
  if (answer_framing_.kind == http1::Framing::Kind::chunked)
    http1::append_chunk(out_, bytes);
  else
    out_ += bytes;
}

void ClientConnection::end_answer(const HeaderFields& trailers) {
  if (answer_framing_.kind == http1::Framing::Kind::chunked) {
    out_ += "0\r\n";
    http1::append_trailers(out_, trailers);
  }
  answer_ended_ = true;
}

bool ClientConnection::flush_now() {
  auto written = stream_->write_now(out_);
  if (written < out_.size()) {
    out_.erase(0, written);
    return false;
  }
  out_.clear();
  return true;
}

Task<void> ClientConnection::flush() {
  if (flush_now()) co_return Status{};
  deadline_.set(limits_.body_time_max);
  auto rest = co_await stream_->write(out_);
  deadline_.clear();
  out_.clear();
  co_return rest;
}

// A body that ends with the connection is cut off by an error, because an orderly end would look whole.
void ClientConnection::cut_off() {
  close_ = true;
  stream_->close(answer_framing_.kind == http1::Framing::Kind::until_close);
}

}  // namespace oxbow
