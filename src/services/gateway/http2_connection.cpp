#include "services/gateway/http2_connection.hpp"

namespace oxbow {
namespace {

constexpr std::uint32_t kStreamsMax = 100;
constexpr std::size_t kTasksMax = 2 * kStreamsMax;
constexpr std::size_t kFieldBytes = 256 << 10;  // of all streams, but for the only one
constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::size_t kWriteBytes = 64 << 10;
constexpr Duration kLinger = std::chrono::seconds(2);

}  // namespace

Http2Connection::Http2Connection(boost::asio::any_io_executor executor, std::unique_ptr<ByteStream> stream,
                                 std::string begun, const ClientLimits& limits, Deadlines& deadlines,
                                 Serve serve, OnRefused on_refused)
    : stream_(std::move(stream)),
      begun_(std::move(begun)),
      limits_(limits),
      idle_(deadlines, [this] { stream_->close(false); }),
      stuck_(deadlines, [this] { stream_->close(false); }),
      session_(*this, {.streams_max = kStreamsMax, .head_bytes_max = limits.head.head_bytes_max}),
      output_(executor),
      parts_{session_, output_, *stream_, limits_, deadlines, executor},
      serve_(std::move(serve)),
      on_refused_(std::move(on_refused)),
      streams_(executor) {}

Task<void> Http2Connection::run() {
  TaskGroup writing(parts_.executor);
  writing.spawn(write());
  auto ended = co_await read();
  for (auto& [id, stream] : open_) stream->lose();
  co_await streams_.wait();
  writing.cancel();
  co_await writing.wait();
  gather_output();  // why it ends, if we have ended it
  stream_->write_now(out_);
  stream_->close(false);
  co_return ended;
}

void Http2Connection::drain() {
  draining_ = true;
  session_.go_away();
  output_.raise();
}

Task<void> Http2Connection::read() {
  idle_.set(limits_.idle_time_max);
  bool goes_on = session_.take(begun_);
  begun_ = {};
  std::string buffer(kReadBytes, '\0');
  output_.raise();
  while (goes_on) {
    auto read = CO_TRY(co_await stream_->read_some(buffer));
    if (read == 0) break;
    goes_on = session_.take(std::string_view(buffer).substr(0, read));
    output_.raise();
  }
  co_return Status{};
}

void Http2Connection::gather_output() {
  out_.clear();
  while (out_.size() < kWriteBytes) {
    auto bytes = session_.bytes_to_send();
    if (bytes.empty()) return;
    out_ += bytes;
  }
}

// The end of our side behind the last stream lets the client read all of it; its own end ends read().
Task<void> Http2Connection::write() {
  while (true) {
    gather_output();
    if (out_.empty()) {
      if (draining_ && open_.empty()) break;
      out_ = {};
      CO_TRY(co_await output_.wait());
      continue;
    }
    stuck_.set(limits_.body_time_max);
    auto written = co_await stream_->write(out_);
    stuck_.clear();
    if (!written) stream_->close(false);
    CO_TRY(std::move(written));
  }
  idle_.set(kLinger);
  co_return co_await stream_->shutdown_write();
}

// Streams whose tasks are about to end count as well, whether they were answered or reset. What is refused
// here may be sent again, as RFC 9113, 8.7 has it.
void Http2Connection::on_request(http2::StreamId id, std::string head, bool has_body) {
  if (open_.size() >= kTasksMax) return session_.reset(id, http2::Reset::refused);
  auto stream = std::make_unique<Http2Stream>(parts_, id);
  auto refusal = stream->begin(std::move(head), has_body);
  if (parts_.field_bytes > kFieldBytes && !open_.empty()) return session_.reset(id, http2::Reset::refused);
  open_[id] = stream.get();
  idle_.clear();
  streams_.spawn(serve(std::move(stream), id, std::move(refusal)));
}

Task<void> Http2Connection::serve(std::unique_ptr<Http2Stream> stream, http2::StreamId id,
                                  std::optional<http1::Refusal> refusal) {
  if (!stream->is_lost()) {
    TaskGroup answering(parts_.executor);
    stream->when_unwanted([&answering] { answering.cancel(); });
    answering.spawn(answer(*stream, std::move(refusal)));
    co_await answering.wait();
    stream->when_unwanted({});
  }
  stream->finish();
  open_.erase(id);
  if (open_.empty()) idle_.set(limits_.idle_time_max);
  output_.raise();
  co_return Status{};
}

Task<void> Http2Connection::answer(Http2Stream& stream, std::optional<http1::Refusal> refusal) {
  if (refusal) {
    on_refused_(stream, *refusal);
    co_return co_await stream.refuse(std::move(*refusal));
  }
  co_await serve_(stream);
  co_return Status{};
}

Http2Stream* Http2Connection::find(http2::StreamId id) {
  auto found = open_.find(id);
  return found == open_.end() ? nullptr : found->second;
}

// What comes for nobody must not use up the window of the connection.
void Http2Connection::on_body(http2::StreamId id, std::string_view bytes) {
  if (auto* stream = find(id))
    stream->add_request_body(bytes);
  else
    session_.consumed(id, bytes.size());
}

void Http2Connection::on_body_end(http2::StreamId id, std::string trailers) {
  auto* stream = find(id);
  if (stream == nullptr) return;
  bool fits = trailers.empty() || parts_.field_bytes + trailers.size() <= kFieldBytes || open_.size() == 1;
  if (fits)
    stream->end_request_body(std::move(trailers));
  else
    stream->cut_off();
}

void Http2Connection::on_closed(http2::StreamId id) {
  if (auto* stream = find(id)) stream->lose();
}

http2::Handler::Piece Http2Connection::next_piece(http2::StreamId id, std::span<char> into) {
  auto* stream = find(id);
  return stream ? stream->next_piece(into) : Piece{.is_last = true};
}

}  // namespace oxbow
