// The first byte chooses who sends, the second how the stream is cut; the rest is what comes. However it is
// cut, and whether one waits for it or asks for what is there, it must come apart as if all of it lay in
// memory.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <vector>

#include "base/assert.hpp"
#include "services/gateway/message_reader.hpp"

namespace {

using namespace oxbow;
using Kind = http1::Framing::Kind;

// Above and below what the reader's own buffers hold.
constexpr http1::HeadLimits kLimits = {.line_bytes_max = 3000, .head_bytes_max = 9000};

enum class Sender { client, service, service_asked_for_head };
enum class Pieces { whole, bytes, random };
enum class End { whole, broken_off, malformed };

struct Message {
  std::string head;
  http1::Framing framing;
  std::string body;
  std::string trailers;
  End end = End::whole;
  std::size_t end_offset = 0;  // in the stream; of a whole one

  friend bool operator==(const Message&, const Message&) = default;
};

struct Conversation {
  std::vector<Message> messages;
  std::optional<http1::Refusal> refusal;

  friend bool operator==(const Conversation&, const Conversation&) = default;
};

std::string text_of(const HeaderFields& fields) {
  std::string text;
  for (const auto& field : fields) text.append(field.name).append("=").append(field.value).append("\n");
  return text;
}

std::optional<http1::Refusal> framing_of(Sender sender, std::string_view bytes, http1::Framing& framing) {
  if (sender == Sender::client) {
    RequestHead head;
    if (auto refusal = http1::parse_request_head(bytes, kLimits, head)) return refusal;
    return http1::request_framing(head, framing);
  }
  ResponseHead head;
  if (auto refusal = http1::parse_response_head(bytes, kLimits, head)) return refusal;
  return http1::response_framing(sender == Sender::service_asked_for_head ? "HEAD" : "GET", head, framing);
}

// ---- as it must be: everything is there ----

void read_chunks(std::string_view sent, std::size_t& at, Message& message) {
  http1::ChunkedReader chunks;
  while (at < sent.size()) {
    auto step = chunks.read(sent.substr(at));
    at += step.consumed;
    message.body += step.data;
    if (step.is_malformed) message.end = End::malformed;
    if (step.done) message.trailers = text_of(chunks.trailers());
    if (step.done || step.is_malformed) return;
  }
  message.end = End::broken_off;
}

void read_plain(std::string_view sent, std::size_t& at, Message& message) {
  if (message.framing.kind == Kind::none) return;
  auto rest = sent.substr(at);
  bool has_length = message.framing.kind == Kind::length;
  message.body = has_length ? rest.substr(0, message.framing.length) : rest;
  at += message.body.size();
  if (has_length && message.body.size() < message.framing.length) message.end = End::broken_off;
}

Conversation expected(Sender sender, std::string_view sent) {
  Conversation all;
  for (std::size_t at = 0;;) {
    while (sent.substr(at).starts_with("\r\n")) at += 2;
    auto rest = sent.substr(at);
    if (rest.empty() || rest == "\r") return all;
    http1::HeadScanner scanner(kLimits);
    auto end = scanner.find_end(rest, all.refusal);
    if (all.refusal) return all;
    auto& message = all.messages.emplace_back();
    if (!end) {
      message.end = End::broken_off;
      return all;
    }
    message.head = rest.substr(0, *end);
    at += *end;
    all.refusal = framing_of(sender, message.head, message.framing);
    if (all.refusal) return all;
    (message.framing.kind == Kind::chunked ? read_chunks : read_plain)(sent, at, message);
    if (message.end != End::whole) return all;
    message.end_offset = at;
  }
}

// ---- as it is read ----

class CutStream final : public ByteStream {
 public:
  CutStream(std::string_view bytes, Pieces pieces, std::uint32_t seed)
      : left_(bytes), pieces_(pieces), random_(seed) {}

  Task<std::size_t> read_some(std::span<char> into) override {
    OXBOW_ASSERT(!into.empty(), "there is no room to read into");
    auto bytes = std::min({next_size(), into.size(), left_.size()});
    std::copy_n(left_.data(), bytes, into.data());
    left_.remove_prefix(bytes);
    given_ += bytes;
    co_return bytes;
  }
  std::size_t given() const { return given_; }

  Task<void> shake_hands() override { co_return Status{}; }
  Task<void> write(std::string_view) override { co_return Status{}; }
  std::size_t write_now(std::string_view) override { return 0; }
  Task<void> shutdown_write() override { co_return Status{}; }
  bool is_quiet() override { return true; }
  void close(bool) override {}
  std::string_view peer_address() const override { return "unix"; }
  bool is_encrypted() const override { return false; }
  std::string_view application_protocol() const override { return {}; }

 private:
  std::size_t next_size() {
    if (pieces_ == Pieces::whole) return SIZE_MAX;
    if (pieces_ == Pieces::bytes) return 1;
    random_ = random_ * 1664525 + 1013904223;
    return 1 + (random_ >> 8) % (1u << (random_ >> 28));
  }

  std::string_view left_;
  Pieces pieces_;
  std::uint32_t random_;
  std::size_t given_ = 0;
};

class Reading {
 public:
  Reading(Sender sender, std::string_view sent, Pieces pieces, bool asks_first, std::uint32_t seed)
      : sender_(sender), sent_(sent), asks_first_(asks_first), stream_(sent, pieces, seed) {}

  Conversation all() {
    boost::asio::io_context context;
    boost::asio::co_spawn(context, read_all(), [](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
    context.run();
    return std::move(all_);
  }

 private:
  boost::asio::awaitable<void> read_all() {
    while (true) {
      reader_.rest();
      auto begun = co_await reader_.wait_for_message();
      OXBOW_ASSERT(begun, "a stream that has ended is no error before a head");
      if (!*begun) co_return;
      auto head = co_await next_head();
      check_unread();
      if (!head && head.error().code == ErrorCode::malformed) {
        all_.refusal = reader_.refusal();
        co_return;
      }
      auto& message = all_.messages.emplace_back();
      if (!head) message.end = end_of(head.error());
      if (!head) co_return;
      message.head = *head;
      all_.refusal = framing_of(sender_, *head, message.framing);
      if (all_.refusal) co_return;
      reader_.begin_body(message.framing);
      co_await read_body(message);
      OXBOW_ASSERT(*head == message.head, "the head changed while its body was read");
      if (message.end != End::whole) co_return;
      OXBOW_ASSERT(reader_.body_is_done(), "the last part was not the end");
      message.end_offset = stream_.given() - reader_.unread().size();
    }
  }

  boost::asio::awaitable<void> read_body(Message& message) {
    while (true) {
      auto part = co_await next_part();
      check_unread();
      if (!part) {
        message.end = end_of(part.error());
        co_return;
      }
      OXBOW_ASSERT(!part->bytes.empty() || part->is_last, "an empty part that is not the last");
      message.body += part->bytes;
      if (!part->is_last) continue;
      if (message.framing.kind == Kind::chunked) message.trailers = text_of(reader_.trailers());
      co_return;
    }
  }

  Task<std::string_view> next_head() {
    if (asks_first_)
      if (auto now = CO_TRY(reader_.head_now())) co_return *now;
    co_return co_await reader_.read_head();
  }

  Task<BodyPart> next_part() {
    if (asks_first_)
      if (auto now = CO_TRY(reader_.body_now())) co_return *now;
    co_return co_await reader_.read_body();
  }

  static End end_of(const Error& error) {
    return error.code == ErrorCode::malformed ? End::malformed : End::broken_off;
  }

  void check_unread() {
    OXBOW_ASSERT(sent_.substr(0, stream_.given()).ends_with(reader_.unread()), "what is unread was not sent");
  }

  Sender sender_;
  std::string_view sent_;
  bool asks_first_;
  CutStream stream_;
  MessageReader reader_{stream_, kLimits};
  Conversation all_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  auto sender = static_cast<Sender>(data[0] % 3);
  std::string_view sent(reinterpret_cast<const char*>(data) + 2, size - 2);
  auto right = expected(sender, sent);
  for (auto pieces : {Pieces::whole, Pieces::bytes, Pieces::random})
    for (bool asks_first : {false, true}) {
      auto found = Reading(sender, sent, pieces, asks_first, data[1]).all();
      OXBOW_ASSERT(found == right, "cut in way {}, the stream comes apart in another way",
                   static_cast<int>(pieces));
    }
  return 0;
}
