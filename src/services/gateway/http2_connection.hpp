// An HTTP/2 connection of a client: reads and writes for all its streams, each of which is a task of its own.
#pragma once

#include <functional>
#include <map>

#include "runtime/task_group.hpp"
#include "services/gateway/http2_stream.hpp"

namespace oxbow {

class Http2Connection final : public ClientSession, private http2::Handler {
 public:
  using Serve = std::function<boost::asio::awaitable<void>(ClientExchange&)>;
  using OnRefused = std::function<void(const ClientExchange&, const http1::Refusal&)>;

  // `begun` is what was read of the stream already.
  Http2Connection(boost::asio::any_io_executor executor, std::unique_ptr<ByteStream> stream,
                  std::string begun, const ClientLimits& limits, Deadlines& deadlines, Serve serve,
                  OnRefused on_refused);

  // Until the client has gone or breaks the protocol, or is idle for too long, or behind drain() the last
  // stream ended.
  Task<void> run();

  void drain() override;

 private:
  void on_request(http2::StreamId id, std::string head, bool has_body) override;
  void on_body(http2::StreamId id, std::string_view bytes) override;
  void on_body_end(http2::StreamId id, std::string trailers) override;
  void on_closed(http2::StreamId id) override;
  Piece next_piece(http2::StreamId id, std::span<char> into) override;

  Task<void> read();
  Task<void> write();
  Task<void> serve(std::unique_ptr<Http2Stream> stream, http2::StreamId id,
                   std::optional<http1::Refusal> refusal);
  Task<void> answer(Http2Stream& stream, std::optional<http1::Refusal> refusal);
  void gather_output();
  Http2Stream* find(http2::StreamId id);

  std::unique_ptr<ByteStream> stream_;
  std::string begun_;
  const ClientLimits& limits_;
  Deadline idle_;
  Deadline stuck_;
  http2::Session session_;
  Wake output_;
  Http2Parts parts_;
  Serve serve_;
  OnRefused on_refused_;
  TaskGroup streams_;
  std::map<http2::StreamId, Http2Stream*> open_;
  std::string out_;
  bool draining_ = false;
};

}  // namespace oxbow
