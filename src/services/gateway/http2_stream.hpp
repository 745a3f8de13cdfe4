// One request of a client that speaks HTTP/2. What comes waits here until it is read, and what goes until
// the client takes it; both are bounded by flow control.
#pragma once

#include <functional>

#include "protocol/http2/session.hpp"
#include "runtime/wake.hpp"
#include "services/gateway/client_connection.hpp"

namespace oxbow {

// What the streams of one connection have in common. Outlives them.
struct Http2Parts {
  http2::Session& session;
  Wake& output;  // there may be something to send
  ByteStream& stream;
  const ClientLimits& limits;
  Deadlines& deadlines;
  boost::asio::any_io_executor executor;
  // What all streams hold.
  std::size_t field_bytes = 0;      // of heads and trailers
  std::size_t answers_waiting = 0;  // for the client to take what there is of them
};

class Http2Stream final : public ClientExchange {
 public:
  Http2Stream(Http2Parts& parts, http2::StreamId id);
  ~Http2Stream() override;

  // What is wrong with the head, if anything is. Once, first.
  std::optional<http1::Refusal> begin(std::string head, bool has_body);
  Task<void> refuse(http1::Refusal refusal);

  // From the session.
  void add_request_body(std::string_view bytes);
  void end_request_body(std::string trailers);
  void lose();  // the client has reset it, or has gone

  bool is_lost() const { return is_lost_; }

  // What is done when the client does not want the answer any more.
  void when_unwanted(std::function<void()> stop) { stop_ = std::move(stop); }

  http2::Handler::Piece next_piece(std::span<char> into);

  // Behind the answer: what is not whole is reset.
  void finish();

  const RequestHead& request() const override { return head_; }
  http1::Requester requester() const override;
  const http1::Framing& body_framing() const override { return framing_; }
  Task<BodyPart> read_body() override;
  const HeaderFields& trailers() const override { return trailers_; }
  void pass_over_body() override {}
  void add_interim(const ResponseHead& head) override;
  void begin_answer(const ResponseHead& head, const http1::Framing& framing,
                    std::span<const http1::OwnField> own) override;
  void add_body(std::string_view bytes) override;
  void end_answer(const HeaderFields& trailers) override;
  void add_raw(std::string_view) override {}   // nothing is upgraded here
  bool flush_now() override { return false; }  // frames of all streams go out together
  Task<void> flush() override;
  std::size_t bytes_unsent() const override { return out_.size() - out_sent_; }
  bool answer_has_begun() const override { return answer_begun_; }
  void cut_off() override { give_up(http2::Reset::internal); }
  ByteStream* stream() override { return nullptr; }
  std::string_view bytes_behind_head() override { return {}; }

 private:
  bool is_far_ahead() const;
  void count_fields(std::string_view bytes, const HeaderFields& fields);
  void give_up(http2::Reset why);
  void give_back_window();

  Http2Parts& parts_;
  http2::StreamId id_;
  std::function<void()> stop_;
  Deadline reading_;
  Deadline writing_;
  Wake readable_;
  Wake writable_;

  std::string head_bytes_;
  RequestHead head_;
  http1::Framing framing_;
  std::string in_;    // not read yet
  std::string part_;  // what was read last
  std::string trailer_bytes_;
  HeaderFields trailers_;
  std::size_t field_bytes_ = 0;
  std::uint64_t received_ = 0;  // of the body
  bool request_ended_ = true;

  std::string out_;
  std::size_t out_sent_ = 0;
  std::string answer_trailer_bytes_;
  HeaderFields answer_trailers_;
  bool answer_begun_ = false;
  bool answer_ended_ = false;  // nothing is added any more
  bool answer_sent_ = false;   // its last piece was taken
  bool is_lost_ = false;
};

}  // namespace oxbow
