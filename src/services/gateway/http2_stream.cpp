#include "services/gateway/http2_stream.hpp"

#include <algorithm>

namespace oxbow {
namespace {

// Of an answer, before a slow client is waited for; and of all answers of a connection, with what each may
// add at once.
constexpr std::size_t kAheadBytes = 64 << 10;
constexpr std::size_t kAheadBytesOfAll = 128 << 10;
constexpr std::size_t kPartBytes = 32 << 10;

// A line of HTTP/1 behind the other.
HeaderFields fields_of(std::string_view lines) {
  HeaderFields fields;
  while (!lines.empty()) {
    auto line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(line.size() + 2);
    auto colon = line.find(": ");
    if (colon != std::string_view::npos) fields.push_back({line.substr(0, colon), line.substr(colon + 2)});
  }
  return fields;
}

}  // namespace

Http2Stream::Http2Stream(Http2Parts& parts, http2::StreamId id)
    : parts_(parts),
      id_(id),
      reading_(parts.deadlines, [this] { give_up(http2::Reset::cancel); }),
      writing_(parts.deadlines, [this] { give_up(http2::Reset::cancel); }),
      readable_(parts.executor),
      writable_(parts.executor) {}

Http2Stream::~Http2Stream() {
  parts_.field_bytes -= field_bytes_;
  if (bytes_unsent() > 0) --parts_.answers_waiting;
}

void Http2Stream::count_fields(std::string_view bytes, const HeaderFields& fields) {
  auto held = bytes.size() + fields.size() * sizeof(HeaderField);
  field_bytes_ += held;
  parts_.field_bytes += held;
}

http1::Requester Http2Stream::requester() const {
  return {parts_.stream.peer_address(), parts_.stream.is_encrypted(), true};
}

// ---- the request ----

std::optional<http1::Refusal> Http2Stream::begin(std::string head, bool has_body) {
  head_bytes_ = std::move(head);
  request_ended_ = !has_body;
  if (head_bytes_.empty()) return http1::Refusal{431, "the header is too large or not well formed"};
  auto refusal = http1::parse_request_head(head_bytes_, parts_.limits.head, head_);
  count_fields(head_bytes_, head_.fields);
  if (refusal) return refusal;
  if ((refusal = http1::request_framing(head_, framing_))) return refusal;
  if (!has_body)
    framing_ = {};
  else if (framing_.kind == http1::Framing::Kind::none)
    framing_.kind = http1::Framing::Kind::chunked;
  return std::nullopt;
}

Task<void> Http2Stream::refuse(http1::Refusal refusal) {
  auto text = refusal.sentence + "\n";
  begin_answer({refusal.status, "", 1, {{"content-type", "text/plain; charset=utf-8"}}},
               {http1::Framing::Kind::length, text.size()}, {});
  add_body(text);
  end_answer({});
  co_return co_await flush();
}

// A body of a known length is over with its last byte, also when the client says so in a later frame: some
// clients lose an answer that comes between the two and is followed by a reset.
void Http2Stream::add_request_body(std::string_view bytes) {
  in_ += bytes;
  received_ += bytes.size();
  request_ended_ = framing_.kind == http1::Framing::Kind::length && received_ >= framing_.length;
  readable_.raise();
}

void Http2Stream::end_request_body(std::string trailers) {
  trailer_bytes_ = std::move(trailers);
  trailers_ = fields_of(trailer_bytes_);
  count_fields(trailer_bytes_, trailers_);
  request_ended_ = true;
  readable_.raise();
}

void Http2Stream::lose() {
  is_lost_ = true;
  readable_.raise();
  writable_.raise();
  if (!answer_sent_ && stop_) stop_();
}

void Http2Stream::give_up(http2::Reset why) {
  if (is_lost_) return;
  parts_.session.reset(id_, why);
  parts_.output.raise();
  lose();
}

// What was read has gone on, so the client may send as much again.
void Http2Stream::give_back_window() {
  if (part_.empty()) return;
  parts_.session.consumed(id_, part_.size());
  parts_.output.raise();
  part_.clear();
}

Task<BodyPart> Http2Stream::read_body() {
  give_back_window();
  while (in_.empty() && !request_ended_) {
    if (is_lost_) co_return Err(ErrorCode::connection_lost, "the client has given the request up");
    reading_.set(parts_.limits.body_time_max);
    auto woken = co_await readable_.wait();
    reading_.clear();
    CO_TRY(std::move(woken));
  }
  std::swap(part_, in_);
  co_return BodyPart{part_, request_ended_};
}

// ---- the answer ----

void Http2Stream::add_interim(const ResponseHead& head) {
  if (is_lost_) return;
  parts_.session.respond(id_, head.status, http1::passing_fields(head, {}, {}), false);
}

void Http2Stream::begin_answer(const ResponseHead& head, const http1::Framing& framing,
                               std::span<const http1::OwnField> own) {
  answer_begun_ = true;
  if (is_lost_) return;
  auto fields = http1::passing_fields(head, framing, own);
  std::string length;
  if (framing.kind == http1::Framing::Kind::length) {
    length = std::to_string(framing.length);
    fields.push_back({"content-length", length});
  }
  bool has_body = framing.kind != http1::Framing::Kind::none;
  answer_sent_ = !has_body;
  parts_.session.respond(id_, head.status, fields, has_body);
}

void Http2Stream::add_body(std::string_view bytes) {
  if (bytes_unsent() == 0 && !bytes.empty()) ++parts_.answers_waiting;
  out_ += bytes;
}

void Http2Stream::end_answer(const HeaderFields& trailers) {
  http1::append_trailers(answer_trailer_bytes_, trailers);
  answer_trailers_ = fields_of(answer_trailer_bytes_);
  answer_ended_ = true;
}

http2::Handler::Piece Http2Stream::next_piece(std::span<char> into) {
  auto bytes = std::min(into.size(), bytes_unsent());
  std::copy_n(out_.data() + out_sent_, bytes, into.data());
  out_sent_ += bytes;
  if (bytes > 0 && bytes_unsent() == 0) --parts_.answers_waiting;
  if (out_sent_ == out_.size()) {
    out_.clear();
    out_sent_ = 0;
  }
  if (bytes > 0 || answer_ended_) writable_.raise();
  answer_sent_ = answer_ended_ && out_.empty();
  return {bytes, answer_sent_, answer_sent_ ? answer_trailers_ : HeaderFields()};
}

bool Http2Stream::is_far_ahead() const {
  if (bytes_unsent() == 0) return false;
  return bytes_unsent() >= kAheadBytes ||
         (bytes_unsent() + kPartBytes) * parts_.answers_waiting >= kAheadBytesOfAll;
}

// The last piece is waited for, because it is taken from here.
Task<void> Http2Stream::flush() {
  if (answer_begun_ && !is_lost_) parts_.session.resume(id_);
  parts_.output.raise();
  while (!is_lost_ && (answer_ended_ ? !answer_sent_ : is_far_ahead())) {
    writing_.set(parts_.limits.body_time_max);
    auto woken = co_await writable_.wait();
    writing_.clear();
    CO_TRY(std::move(woken));
  }
  if (is_lost_ && !answer_sent_)
    co_return Err(ErrorCode::connection_lost, "the client has given the request up");
  co_return Status{};
}

// RFC 9113, 8.1: a client that still sends a body is told that nobody wants the rest.
void Http2Stream::finish() {
  part_ += in_;
  in_.clear();
  give_back_window();
  if (!answer_sent_)
    give_up(http2::Reset::internal);
  else if (!request_ended_)
    give_up(http2::Reset::no_error);
}

}  // namespace oxbow
