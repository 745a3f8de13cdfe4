#include <gmock/gmock.h>

#include "protocol/http1/forwarding.hpp"

namespace oxbow::http1 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::optional<Refusal> parse(std::string_view bytes, RequestHead& head, HeadLimits limits = {}) {
  std::optional<Refusal> refusal;
  HeadScanner scanner(limits);
  auto end = scanner.find_end(bytes, refusal);
  if (refusal) return refusal;
  if (!end) return Refusal{0, "incomplete"};
  return parse_request_head(bytes.substr(0, *end), limits, head);
}

int status_of(std::string_view bytes, HeadLimits limits = {}) {
  RequestHead head;
  auto refusal = parse(bytes, head, limits);
  if (refusal) return refusal->status;
  Framing framing;
  refusal = request_framing(head, framing);
  return refusal ? refusal->status : 200;
}

TEST(Http1Head, is_taken_apart_without_copying) {
  RequestHead head;
  ASSERT_FALSE(
      parse("GET /payments/4711?full=1 HTTP/1.1\r\nHost: shop.example\r\nX-Empty:\r\nA:  b c \t\r\n\r\nrest",
            head));
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.path(), "/payments/4711");
  EXPECT_EQ(head.query(), "full=1");
  EXPECT_EQ(head.host, "shop.example");
  EXPECT_EQ(find_field(head.fields, "x-empty"), "");
  EXPECT_EQ(find_field(head.fields, "a"), "b c");
}

TEST(Http1Head, names_the_host_in_an_absolute_target_and_that_one_wins) {
  RequestHead head;
  ASSERT_FALSE(parse("GET http://real.example:80/a?b HTTP/1.1\r\nHost: other.example\r\n\r\n", head));
  EXPECT_EQ(head.host, "real.example:80");
  EXPECT_EQ(head.target, "/a?b");
  ASSERT_FALSE(parse("GET HTTP://real.example HTTP/1.1\r\nHost: x\r\n\r\n", head));
  EXPECT_EQ(head.target, "/");
}

TEST(Http1Head, is_found_byte_by_byte_as_at_once) {
  std::string_view bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
  std::optional<Refusal> refusal;
  HeadScanner scanner({});
  for (std::size_t i = 1; i < bytes.size() - 3; ++i)
    EXPECT_FALSE(scanner.find_end(bytes.substr(0, i), refusal)) << i;
  EXPECT_EQ(scanner.find_end(bytes.substr(0, bytes.size() - 2), refusal), bytes.size() - 3);
  EXPECT_FALSE(refusal);
}

// The refusal is an answer to the client, and must not depend on how the network has cut his bytes.
TEST(Http1Head, is_refused_byte_by_byte_as_at_once) {
  HeadLimits limits{.line_bytes_max = 20, .head_bytes_max = 40};
  std::string line(30, 'x'), field = "a: " + std::string(30, 'x');
  for (const auto& bytes : {line + "\n", line + "\r\n", line + line, "GET / HTTP/1.1\r\n" + field + "\n",
                            "GET / HTTP/1.1\r\n" + field + "\r\n\r\n", "GET / HTTP/1.1\r\na: b\n" + field,
                            std::string("GET\n")}) {
    std::optional<Refusal> at_once, bit_by_bit;
    HeadScanner(limits).find_end(bytes, at_once);
    HeadScanner scanner(limits);
    for (std::size_t i = 1; i <= bytes.size() && !bit_by_bit; ++i)
      scanner.find_end(std::string_view(bytes).substr(0, i), bit_by_bit);
    EXPECT_TRUE(at_once) << bytes;
    EXPECT_EQ(at_once, bit_by_bit) << bytes;
  }
  EXPECT_EQ(status_of(line + "\r\n", {.line_bytes_max = 50, .head_bytes_max = 20}), 414);
}

TEST(Http1Head, is_refused_where_two_readers_could_disagree) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n"), 400);
  EXPECT_EQ(status_of(std::string_view("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 37)), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET http://a,b/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTX/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
  EXPECT_EQ(status_of("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.x\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
}

TEST(Http1Head, takes_an_absolute_target_without_a_path_for_the_root_or_the_server_as_a_whole) {
  RequestHead head;
  EXPECT_FALSE(parse("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", head));
  EXPECT_EQ(head.target, "/");
  EXPECT_FALSE(parse("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", head));
  EXPECT_EQ(head.target, "*");
}

TEST(Http1Head, may_not_list_more_names_in_Connection_than_it_may_have_fields) {
  auto head_with = [](std::size_t names) {
    std::string list = "Connection: a";
    for (std::size_t i = 1; i < names; ++i) list += ",a";
    return "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + list + "\r\n\r\n";
  };
  RequestHead head;
  auto most = HeadLimits{}.fields_max - 1;
  auto fits = head_with(most), exceeds = head_with(most + 1);
  EXPECT_FALSE(parse_request_head(fits, {}, head));
  auto refusal = parse_request_head(exceeds, {}, head);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 431);
}

TEST(Http1Head, does_not_hold_what_ends_here_because_Connection_lists_it) {
  RequestHead head;
  EXPECT_FALSE(
      parse("GET /a HTTP/1.1\r\nHost: h\r\nConnection: x-tenant, Host, Cookie, X-Forwarded-For, Upgrade\r\n"
            "X-Tenant: 7\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\nUpgrade: websocket\r\n\r\n",
            head));
  EXPECT_FALSE(find_field(head.fields, "X-Tenant"));
  for (const auto* kept : {"Host", "Cookie", "X-Forwarded-For", "Upgrade", "Connection"})
    EXPECT_TRUE(find_field(head.fields, kept)) << kept;
}

TEST(Http1Head, has_bounds) {
  HeadLimits limits{.line_bytes_max = 40, .head_bytes_max = 100, .fields_max = 3};
  EXPECT_EQ(status_of("GET /" + std::string(60, 'a'), limits), 414);
  EXPECT_EQ(status_of("GET /" + std::string(60, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", limits), 414);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(90, 'x'), limits), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(90, 'x') + "\r\n\r\n", limits), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits), 431);
}

TEST(Http1Framing, refuses_what_smuggling_lives_on) {
  auto with = [](std::string_view fields) {
    return status_of("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n");
  };
  EXPECT_EQ(with("Content-Length: 5\r\n"), 200);
  EXPECT_EQ(with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(with("Content-Length: 5, 5\r\n"), 400);
  EXPECT_EQ(with("Content-Length: +5\r\n"), 400);
  EXPECT_EQ(with("Content-Length: -5\r\n"), 400);
  EXPECT_EQ(with("Content-Length: 0x5\r\n"), 400);
  EXPECT_EQ(with("Content-Length:\r\n"), 400);
  EXPECT_EQ(with("Content-Length: 99999999999999999999\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\n"), 200);
  EXPECT_EQ(with("Transfer-Encoding: Chunked\r\n"), 200);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 501);
  EXPECT_EQ(with("Transfer-Encoding: gzip, chunked\r\n"), 501);
  EXPECT_EQ(with("Transfer-Encoding: xchunked\r\n"), 501);
  EXPECT_EQ(with("Transfer-Encoding: \x0b"
                 "chunked\r\n"),
            400);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(Http1Framing, knows_where_an_answer_ends) {
  auto framing = [](std::string_view method, int status, HeaderFields fields) {
    Framing result;
    ResponseHead head{.status = status, .fields = std::move(fields)};
    EXPECT_FALSE(response_framing(method, head, result));
    return result;
  };
  using Kind = Framing::Kind;
  EXPECT_EQ(framing("GET", 200, {{"Content-Length", "7"}}), (Framing{Kind::length, 7}));
  EXPECT_EQ(framing("GET", 200, {}).kind, Kind::until_close);
  EXPECT_EQ(framing("HEAD", 200, {{"Content-Length", "7"}}).kind, Kind::none);
  EXPECT_EQ(framing("GET", 204, {}).kind, Kind::none);
  EXPECT_EQ(framing("GET", 304, {{"Content-Length", "7"}}).kind, Kind::none);
  EXPECT_EQ(framing("GET", 200, {{"Transfer-Encoding", "chunked"}}).kind, Kind::chunked);
  EXPECT_EQ(framing("GET", 200, {{"Content-Length", "0"}}).kind, Kind::none);
}

struct Read {
  std::string data;
  bool done = false;
  bool malformed = false;
  std::size_t consumed = 0;
};

Read read_chunks(std::string_view bytes, std::size_t step_bytes, ChunkedReader& reader) {
  Read read;
  std::string fed;
  for (std::size_t at = 0; at < bytes.size() && !read.done && !read.malformed; at += step_bytes) {
    auto rest = bytes.substr(at, step_bytes);
    while (!rest.empty() && !read.done && !read.malformed) {
      auto step = reader.read(rest);
      rest.remove_prefix(step.consumed);
      read.consumed += step.consumed;
      read.data += step.data;
      read.done = step.done;
      read.malformed = step.is_malformed;
    }
  }
  return read;
}

TEST(Http1Chunks, come_apart_the_same_in_pieces_of_any_size) {
  std::string_view bytes = "5\r\nhello\r\n1;x=\"y\"\r\n \r\nB\r\nworld, again\r\n";
  std::string whole =
      std::string(bytes.substr(0, bytes.size() - 3)) + "\r\n000\r\nX-Sum: 7\r\nY: 8\r\n\r\nGET";
  for (std::size_t step = 1; step < whole.size(); ++step) {
    ChunkedReader reader;
    auto read = read_chunks(whole, step, reader);
    EXPECT_EQ(read.data, "hello world, agai") << step;
    EXPECT_TRUE(read.done && !read.malformed) << step;
    EXPECT_EQ(read.consumed, whole.size() - 3) << step;
    EXPECT_EQ(find_field(reader.trailers(), "x-sum"), "7");
    EXPECT_EQ(find_field(reader.trailers(), "Y"), "8");
  }
}

TEST(Http1Chunks, are_refused_when_they_break_the_coding) {
  for (std::string_view bytes :
       {"\r\n", "x\r\n", "5 \nhello", "5\nhello\r\n", "5\r\nhelloX", "5\r\nhello\rX", "-1\r\n", "0x5\r\n",
        "10000000000000000\r\n", "00000000000000005\r\n", ";a\r\n", "0\r\nbad trailer\r\n\r\n", "0\r\n\nX"}) {
    ChunkedReader reader;
    EXPECT_TRUE(read_chunks(bytes, 1, reader).malformed) << bytes;
  }
  ChunkedReader reader;
  EXPECT_TRUE(read_chunks("1;" + std::string(500, 'a'), 1, reader).malformed);
  ChunkedReader trailers;
  EXPECT_TRUE(read_chunks("0\r\n" + std::string(10000, 'a'), 100, trailers).malformed);
}

std::string forwarded(std::string_view bytes, RequestChanges changes = {.requester = {"10.0.0.7", false}}) {
  RequestHead head;
  EXPECT_FALSE(parse(bytes, head));
  Framing framing;
  EXPECT_FALSE(request_framing(head, framing));
  std::string out;
  append_request_head(out, head, framing, changes);
  return out;
}

TEST(Http1Forwarding, ends_hop_by_hop_fields_here) {
  auto out = forwarded(
      "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: "
      "gzip\r\n"
      "Proxy-Authorization: x\r\nUpgrade: h2c\r\nAccept: */*\r\n\r\n");
  EXPECT_THAT(out, StartsWith("GET /a HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n"));
  for (const auto* gone : {"X-Private", "Keep-Alive", "TE:", "Proxy-", "Upgrade", "Connection"})
    EXPECT_THAT(out, Not(HasSubstr(gone)));
}

TEST(Http1Forwarding, does_not_let_a_client_take_the_host_or_the_length_away) {
  auto out = forwarded(
      "POST /a HTTP/1.1\r\nHost: h\r\nConnection: Host, Content-Length, Cookie\r\nCookie: a=b\r\n"
      "Content-Length: 3\r\n\r\n");
  EXPECT_THAT(out, HasSubstr("Host: h\r\n"));
  EXPECT_THAT(out, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(out, HasSubstr("Cookie: a=b\r\n"));
}

TEST(Http1Forwarding, writes_down_who_asked) {
  auto out =
      forwarded("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: gopher\r\n\r\n");
  EXPECT_THAT(out, HasSubstr("X-Forwarded-For: 1.2.3.4, 10.0.0.7\r\n"));
  EXPECT_THAT(out, HasSubstr("X-Forwarded-Proto: http\r\n"));
  EXPECT_THAT(out, HasSubstr("X-Forwarded-Host: h\r\n"));
  EXPECT_THAT(out, HasSubstr("Via: 1.1 oxbow\r\n"));
}

TEST(Http1Forwarding, passes_no_field_on_that_a_service_may_take_for_one_of_ours) {
  auto out = forwarded(
      "GET / HTTP/1.1\r\nHost: h\r\nTransfer_Encoding: chunked\r\nContent_Length: 9\r\nHOST_: x\r\n"
      "X_Forwarded_For: 1.2.3.4\r\nX_Forwarded-proto: https\r\nX_Tenant: 7\r\n\r\n");
  EXPECT_THAT(out, Not(HasSubstr("chunked")));
  EXPECT_THAT(out, Not(HasSubstr("Content_Length")));
  EXPECT_THAT(out, Not(HasSubstr("1.2.3.4")));
  EXPECT_THAT(out, Not(HasSubstr("https")));
  EXPECT_THAT(out, HasSubstr("X_Tenant: 7\r\n"));
}

TEST(Http1Forwarding, goes_on_with_a_valid_trace_and_begins_one_otherwise) {
  std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_TRUE(is_traceparent(good));
  EXPECT_FALSE(is_traceparent("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
  EXPECT_FALSE(is_traceparent("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
  std::array<unsigned char, 24> random{1, 2, 3};
  auto made = make_traceparent(random);
  EXPECT_EQ(made.size(), 55u);
  RequestChanges changes{.traceparent = made};
  EXPECT_THAT(forwarded("GET / HTTP/1.1\r\nHost: h\r\ntraceparent: " + good + "\r\n\r\n", changes),
              HasSubstr(good));
  EXPECT_THAT(forwarded("GET / HTTP/1.1\r\nHost: h\r\ntraceparent: rubbish\r\n\r\n", changes),
              HasSubstr(made));
}

TEST(Http1Head, reads_a_higher_minor_version_as_its_own) {
  RequestHead head;
  ASSERT_FALSE(parse("GET /a HTTP/1.2\r\nHost: h\r\n\r\n", head));
  EXPECT_EQ(head.minor_version, 1);
}

TEST(Http1Forwarding, passes_the_state_of_a_trace_on_with_its_trace_alone) {
  auto with = [](std::string_view trace) {
    return forwarded("GET / HTTP/1.1\r\nHost: h\r\ntracestate: a=1\r\n" + std::string(trace) + "\r\n");
  };
  EXPECT_THAT(with("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"),
              HasSubstr("tracestate: a=1\r\n"));
  EXPECT_THAT(with("traceparent: rubbish\r\n"), Not(HasSubstr("tracestate")));
  EXPECT_THAT(with(""), Not(HasSubstr("tracestate")));
}

TEST(Http1Forwarding, counts_the_hops_of_options_and_trace) {
  auto with = [](std::string_view method, std::string_view hops) {
    return forwarded(std::string(method) + " /a HTTP/1.1\r\nHost: h\r\nMax-Forwards: " + std::string(hops) +
                     "\r\n\r\n");
  };
  EXPECT_THAT(with("OPTIONS", "5"), HasSubstr("Max-Forwards: 4\r\n"));
  EXPECT_THAT(with("TRACE", "1"), HasSubstr("Max-Forwards: 0\r\n"));
  EXPECT_THAT(with("TRACE", "99999999999999999999"), HasSubstr("Max-Forwards: 18446744073709551614\r\n"));
  EXPECT_THAT(with("OPTIONS", "some"), HasSubstr("Max-Forwards: some\r\n"));
  EXPECT_THAT(with("GET", "5"), HasSubstr("Max-Forwards: 5\r\n"));
}

TEST(Http1Forwarding, keeps_the_fields_of_an_answer_and_frames_it_anew) {
  ResponseHead head{.status = 200,
                    .reason = "OK",
                    .fields = {{"Content-Type", "text/plain"},
                               {"Connection", "close"},
                               {"X-Oxbow-Side", "forged"},
                               {"Transfer-Encoding", "chunked"},
                               {"Set-Cookie", "a"},
                               {"Set-Cookie", "b"}}};
  constexpr std::array kOwn = {OwnField{"X-Oxbow-Side", "legacy"}};
  std::string out;
  append_response_head(out, head, {Framing::Kind::length, 5}, {.own = kOwn});
  EXPECT_EQ(
      out,
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n"
      "X-Oxbow-Side: legacy\r\n\r\n");
}

TEST(Http1Forwarding, puts_a_cookie_of_ours_beside_those_of_the_service) {
  ResponseHead head{
      .status = 200, .reason = "OK", .fields = {{"Set-Cookie", "session=a"}, {"set-cookie", "csrf=b"}}};
  constexpr std::array kOwn = {OwnField{"Set-Cookie", "seen=1"}};
  std::string out;
  append_response_head(out, head, {}, {.own = kOwn});
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nSet-Cookie: session=a\r\nset-cookie: csrf=b\r\nSet-Cookie: seen=1\r\n\r\n");
  auto in_http2 = passing_fields(head, {}, kOwn);
  std::vector<std::string_view> cookies;
  for (const auto& field : in_http2) cookies.push_back(field.value);
  EXPECT_THAT(cookies, ElementsAre("session=a", "csrf=b", "seen=1"));
}

TEST(Http1Forwarding, passes_the_length_that_an_answer_to_head_declares) {
  ResponseHead head{.status = 200, .reason = "OK", .fields = {{"Content-Length", "77"}}};
  std::string out;
  append_response_head(out, head, {}, {});
  EXPECT_THAT(out, HasSubstr("Content-Length: 77\r\n"));
}

}  // namespace
}  // namespace oxbow::http1
