// One HTTP/1 connection of a client: its requests, one after the other. Requests that are pipelined wait in
// its buffer, so their answers keep their order.
#pragma once

#include <memory>

#include "services/gateway/client_exchange.hpp"
#include "services/gateway/deadlines.hpp"

namespace oxbow {

struct ClientLimits {
  http1::HeadLimits head;
  Duration header_time_max = std::chrono::seconds(10);
  Duration idle_time_max = std::chrono::seconds(60);
  Duration body_time_max = std::chrono::seconds(60);  // without a byte, in either direction
};

// A connection of a client, whatever version of HTTP it speaks.
class ClientSession {
 public:
  virtual ~ClientSession() = default;

  // No further request is taken; those that have begun go on.
  virtual void drain() = 0;
};

class ClientConnection final : public ClientSession, public ClientExchange {
 public:
  ClientConnection(std::unique_ptr<ByteStream> stream, const ClientLimits& limits, Deadlines& deadlines);

  // Once, first. Fails when the client does not shake hands in the time that a head may take.
  Task<void> open();

  // The next request. False when there will be none: the client has gone, was too slow, or sent what is no
  // request and was told so.
  Task<bool> next_request();

  // Behind next_request() that was false: why it was no request, if the client was told so.
  const std::optional<http1::Refusal>& refusal() const { return refusal_; }

  // Behind an answer. Whether the connection can go on.
  bool can_go_on() const;

  // Behind the last one.
  Task<void> finish();

  // The present answer says `Connection: close`.
  void drain() override;

  // Behind next_request() that was false, or open(): the client speaks HTTP/2 instead.
  bool speaks_http2() const { return speaks_http2_; }
  std::string bytes_read() const { return std::string(begun_) + std::string(reader_.unread()); }
  std::unique_ptr<ByteStream> take_stream() { return std::move(stream_); }

  const RequestHead& request() const override { return head_; }
  http1::Requester requester() const override;
  const http1::Framing& body_framing() const override { return reader_.framing(); }
  Task<BodyPart> read_body() override;
  const HeaderFields& trailers() const override { return reader_.trailers(); }
  void pass_over_body() override;
  void add_interim(const ResponseHead& head) override;
  void begin_answer(const ResponseHead& head, const http1::Framing& framing,
                    std::span<const http1::OwnField> own) override;
  void add_body(std::string_view bytes) override;
  void end_answer(const HeaderFields& trailers) override;
  void add_raw(std::string_view bytes) override { out_ += bytes; }
  bool flush_now() override;
  Task<void> flush() override;
  std::size_t bytes_unsent() const override { return out_.size(); }
  bool answer_has_begun() const override { return answer_begun_; }
  void cut_off() override;
  ByteStream* stream() override { return stream_.get(); }
  std::string_view bytes_behind_head() override { return reader_.unread(); }

 private:
  Task<void> refuse(const http1::Refusal& refusal);
  Task<void> linger();
  void expire();

  std::unique_ptr<ByteStream> stream_;
  const ClientLimits& limits_;
  Deadline deadline_;
  MessageReader reader_;
  RequestHead head_;
  std::optional<http1::Refusal> refusal_;
  std::string_view begun_;  // of HTTP/2
  std::string out_;
  http1::Framing answer_framing_;
  bool answer_begun_ = false;
  bool answer_ended_ = false;
  bool close_ = false;  // behind the present answer
  bool draining_ = false;
  bool has_spoken_ = false;  // HTTP/1
  bool speaks_http2_ = false;
  bool idle_ = false;  // without a request
};

}  // namespace oxbow
