#include "services/gateway/message_reader.hpp"

#include <algorithm>

namespace oxbow {
namespace {

constexpr std::size_t kHeadBytes = 4 << 10;   // enough for most; what an idle connection keeps
constexpr std::size_t kBodyBytes = 32 << 10;  // of one part

}  // namespace

MessageReader::MessageReader(ByteStream& stream, http1::HeadLimits limits)
    : stream_(stream), limits_(limits), scanner_(limits) {}

std::string_view MessageReader::unread() const {
  if (head_read_ < head_filled_) return std::string_view(head_).substr(head_read_, head_filled_ - head_read_);
  return std::string_view(body_).substr(body_read_, body_filled_ - body_read_);
}

void MessageReader::consume(std::size_t bytes) {
  (head_read_ < head_filled_ ? head_read_ : body_read_) += bytes;
}

// What was not read moves to the front of the head's buffer, where the next head will stand.
void MessageReader::gather() {
  auto left = unread();
  if (head_.size() < left.size()) {
    head_ = std::string(left);
  } else {
    std::copy(left.begin(), left.end(), head_.begin());
  }
  head_read_ = 0;
  head_filled_ = left.size();
  body_read_ = body_filled_ = 0;
}

Task<bool> MessageReader::wait_for_message() {
  refusal_.reset();
  scanner_ = http1::HeadScanner(limits_);
  gather();
  while (true) {
    // Some clients send an empty line behind a body (RFC 9112, 2.2).
    while (unread().starts_with("\r\n")) consume(2);
    if (head_read_ < head_filled_ && unread() != "\r") co_return true;
    gather();
    if (head_.size() < kHeadBytes) head_.resize(kHeadBytes);
    auto read =
        CO_TRY(co_await stream_.read_some({head_.data() + head_filled_, head_.size() - head_filled_}));
    if (read == 0) co_return false;
    head_filled_ += read;
  }
}

Result<std::optional<std::string_view>> MessageReader::head_now() {
  if (head_read_ > 0) gather();
  auto end = scanner_.find_end(unread(), refusal_);
  if (refusal_) return Err(ErrorCode::malformed, "{}", refusal_->sentence);
  if (!end) return std::nullopt;
  head_read_ = *end;
  return std::string_view(head_).substr(0, *end);
}

Task<std::string_view> MessageReader::read_head() {
  while (true) {
    if (auto head = CO_TRY(head_now())) co_return *head;
    if (head_filled_ == head_.size()) head_.resize(std::max(kHeadBytes, 2 * head_.size()));
    auto read =
        CO_TRY(co_await stream_.read_some({head_.data() + head_filled_, head_.size() - head_filled_}));
    if (read == 0) co_return Err(ErrorCode::connection_lost, "the peer ended inside a header");
    head_filled_ += read;
  }
}

void MessageReader::begin_body(http1::Framing framing) {
  framing_ = framing;
  left_ = framing.length;
  done_ = framing.kind == http1::Framing::Kind::none;
  chunks_ = {};
}

Task<std::size_t> MessageReader::fill() {
  if (body_.size() < kBodyBytes) body_.resize(kBodyBytes);
  body_read_ = body_filled_ = 0;
  auto read = CO_TRY(co_await stream_.read_some({body_.data(), body_.size()}));
  body_filled_ = read;
  co_return read;
}

Task<BodyPart> MessageReader::read_body() {
  while (true) {
    if (auto part = CO_TRY(body_now())) co_return *part;
    if (CO_TRY(co_await fill()) > 0) continue;
    if (framing_.kind != http1::Framing::Kind::until_close)
      co_return Err(ErrorCode::connection_lost, "the peer ended inside a body");
    done_ = true;
  }
}

Result<std::optional<BodyPart>> MessageReader::body_now() {
  while (!done_ && !unread().empty())
    if (auto part = TRY(take_part())) return part;
  if (done_) return BodyPart{{}, true};
  return std::nullopt;
}

// Of what has come. Nothing if that was not yet a part.
Result<std::optional<BodyPart>> MessageReader::take_part() {
  auto bytes = unread();
  if (framing_.kind == http1::Framing::Kind::chunked) {
    auto step = chunks_.read(bytes);
    consume(step.consumed);
    if (step.is_malformed) return Err(ErrorCode::malformed, "a chunk of the body is malformed");
    done_ = step.done;
    if (!done_ && step.data.empty()) return std::nullopt;
    return BodyPart{step.data, done_};
  }
  if (framing_.kind == http1::Framing::Kind::length) {
    bytes = bytes.substr(0, left_);
    left_ -= bytes.size();
    done_ = left_ == 0;
  }
  consume(bytes.size());
  return BodyPart{bytes, done_};
}

void MessageReader::rest() {
  if (head_.size() > 4 * kHeadBytes && head_filled_ - head_read_ < kHeadBytes) {
    gather();
    head_.resize(kHeadBytes);
    head_.shrink_to_fit();
  }
  if (body_read_ == body_filled_) {
    body_read_ = body_filled_ = 0;
    body_ = {};
  }
}

}  // namespace oxbow
