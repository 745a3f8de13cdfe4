#include "protocol/http2/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace oxbow::http2 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A field as a literal without compression.
std::string field(std::string_view name, std::string_view value) {
  std::string bytes(1, '\0');
  bytes += static_cast<char>(name.size());
  bytes += name;
  bytes += static_cast<char>(value.size());
  return bytes.append(value);
}

enum FrameKind : char { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4 };
constexpr char kEndStream = 1, kAck = 1, kEndHeaders = 4;

std::string frame(FrameKind kind, int flags, StreamId stream, std::string_view payload = {}) {
  std::string bytes = {static_cast<char>(payload.size() >> 16),
                       static_cast<char>(payload.size() >> 8),
                       static_cast<char>(payload.size()),
                       static_cast<char>(kind),
                       static_cast<char>(flags),
                       0,
                       0,
                       static_cast<char>(stream >> 8),
                       static_cast<char>(stream)};
  return bytes.append(payload);
}

std::string request(StreamId stream, bool is_last, std::string_view more = {}) {
  auto block = field(":method", "GET") + field(":scheme", "http") + field(":path", "/a?b") +
               field(":authority", "shop.example") + std::string(more);
  return frame(kHeaders, kEndHeaders | (is_last ? kEndStream : 0), stream, block);
}

class SessionTest : public testing::Test, public Handler {
 protected:
  SessionTest() {
    begin(session);
    sent();
    session.take(frame(kSettings, kAck, 0));  // ours hold from now on
  }

  static void begin(Session& with) { with.take("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0)); }

  std::string sent() {
    std::string bytes;
    for (auto some = session.bytes_to_send(); !some.empty(); some = session.bytes_to_send()) bytes += some;
    return bytes;
  }

  void on_request(StreamId stream, std::string head, bool has_body) override {
    heads[stream] = std::move(head);
    if (has_body) with_body.push_back(stream);
  }
  void on_body(StreamId, std::string_view bytes) override { body += bytes; }
  void on_body_end(StreamId, std::string lines) override { ends.push_back(std::move(lines)); }
  void on_closed(StreamId stream) override { closed.push_back(stream); }
  Piece next_piece(StreamId, std::span<char> into) override {
    auto bytes = std::min(answer.size(), into.size());
    std::copy_n(answer.data(), bytes, into.data());
    answer.erase(0, bytes);
    return {bytes, answer.empty() && answer_is_whole, {}};
  }

  Session session{*this, {.streams_max = 2, .stream_window_bytes = 1000, .head_bytes_max = 500}};
  std::map<StreamId, std::string> heads;
  std::vector<StreamId> with_body, closed;
  std::string body, answer;
  std::vector<std::string> ends;
  bool answer_is_whole = true;
};

TEST_F(SessionTest, SaysARequestAsAHeadOfHttp1) {
  session.take(request(1, true, field("cookie", "a=1") + field("x", "y") + field("cookie", "b=2")));
  EXPECT_EQ(heads[1], "GET /a?b HTTP/1.1\r\nHost: shop.example\r\nx: y\r\nCookie: a=1; b=2\r\n\r\n");
  EXPECT_THAT(with_body, IsEmpty());
}

TEST_F(SessionTest, NamesOneHost) {
  session.take(request(1, true, field("host", "shop.example")));
  EXPECT_EQ(heads[1], "GET /a?b HTTP/1.1\r\nHost: shop.example\r\n\r\n");
}

TEST_F(SessionTest, GivesNoHeadThatIsTooLarge) {
  auto large = field("x", std::string(120, 'x'));
  session.take(request(1, true, large + large + large));
  EXPECT_EQ(heads.at(1), "");
}

TEST_F(SessionTest, GivesBodyAndTrailers) {
  session.take(request(1, false));
  EXPECT_THAT(with_body, ElementsAre(1));
  session.take(frame(kData, 0, 1, "hello") + frame(kHeaders, kEndHeaders | kEndStream, 1, field("sum", "5")));
  EXPECT_EQ(body, "hello");
  EXPECT_THAT(ends, ElementsAre("sum: 5\r\n"));
}

TEST_F(SessionTest, ResetsAStreamThatSendsMoreThanItsWindow) {
  session.take(request(1, false));
  EXPECT_TRUE(session.take(frame(kData, 0, 1, std::string(1000, 'x'))));
  session.take(frame(kData, 0, 1, "y"));
  EXPECT_THAT(sent(), testing::HasSubstr(frame(kReset, 0, 1, std::string_view("\0\0\0\3", 4))));
}

// Of 64 KiB each, which is what every stream may send before our settings hold.
TEST_F(SessionTest, EndsWithStreamsThatTogetherSendMoreThanTheWindowOfTheConnection) {
  Session narrow(*this, {.streams_max = 10, .connection_window_bytes = 100'000});
  begin(narrow);
  for (StreamId stream : {1, 3}) {
    narrow.take(request(stream, false));
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(narrow.take(frame(kData, 0, stream, std::string(10'000, 'x'))));
  }
  EXPECT_EQ(body.size(), 100'000u);
  for (int i = 0; i < 10; ++i) narrow.take(frame(kData, 0, 3, std::string(1000, 'x')));
  EXPECT_LE(body.size(), 101'000u);
  while (!narrow.bytes_to_send().empty()) {
  }
  EXPECT_FALSE(narrow.take(frame(kData, 0, 3, "y")));
}

TEST_F(SessionTest, OpensTheWindowAgainByWhatWasConsumed) {
  session.take(request(1, false));
  for (int i = 0; i < 10; ++i) {
    session.take(frame(kData, 0, 1, std::string(1000, 'x')));
    session.consumed(1, 1000);
    sent();
  }
  EXPECT_EQ(body.size(), 10'000u);
}

TEST_F(SessionTest, SendsAnAnswerWhenThereIsSome) {
  session.take(request(1, true));
  answer_is_whole = false;
  session.respond(1, 200, {{"X-Mine", "yes"}}, true);
  EXPECT_THAT(sent(), testing::Not(testing::HasSubstr("text")));
  answer = "text", answer_is_whole = true;
  session.resume(1);
  EXPECT_THAT(sent(), testing::EndsWith(frame(kData, kEndStream, 1, "text")));
  EXPECT_THAT(closed, ElementsAre(1));
}

TEST_F(SessionTest, ResetsWhatItIsToldTo) {
  session.take(request(1, true));
  session.reset(1, Reset::internal);
  EXPECT_EQ(sent(), frame(kReset, 0, 1, std::string_view("\0\0\0\2", 4)));
  EXPECT_THAT(closed, ElementsAre(1));
}

TEST_F(SessionTest, RefusesMoreStreamsThanAllowed) {
  session.take(request(1, true) + request(3, true) + request(5, true));
  EXPECT_EQ(heads.size(), 2u);
}

TEST_F(SessionTest, TakesNoStreamBehindGoAway) {
  session.take(request(1, true));
  session.go_away();
  sent();
  session.take(request(3, true));
  EXPECT_EQ(heads.size(), 1u);
  answer = "late";
  session.respond(1, 200, {}, true);
  EXPECT_THAT(sent(), testing::EndsWith(frame(kData, kEndStream, 1, "late")));
}

TEST_F(SessionTest, EndsWithWhatIsNoHttp2) {
  Session other(*this, {});
  EXPECT_FALSE(other.take("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
}

}  // namespace
}  // namespace oxbow::http2
