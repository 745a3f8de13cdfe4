// What a client sends behind its preface. The first byte chooses what the service does with the streams; the
// rest comes at once or byte by byte, which must make no difference, but that the end may come earlier:
// nghttp2 takes the pieces of a CONTINUATION for more of them. What is held stays within the limits, what is
// sent is whole frames, and every stream that was refused is told.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "protocol/http2/session.hpp"

namespace {

using namespace oxbow;
using http2::StreamId;

constexpr http2::SessionLimits kLimits = {
    .streams_max = 4, .stream_window_bytes = 2000, .head_bytes_max = 1000};
// A frame that breaks a window comes whole, and is the last one of its stream.
constexpr std::size_t kStreamBodyMax = kLimits.stream_window_bytes + (16 << 10);
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kSettings("\0\0\0\4\0\0\0\0\0", 9);
constexpr std::string_view kAck("\0\0\0\4\1\0\0\0\0", 9);
constexpr int kReset = 3, kGoAway = 7;

struct Frames {
  std::set<StreamId> reset;
  bool goes_away = false;
};

Frames frames_of(std::string_view bytes) {
  auto byte = [&](std::size_t at) { return std::size_t{static_cast<unsigned char>(bytes[at])}; };
  Frames frames;
  while (!bytes.empty()) {
    OXBOW_ASSERT(bytes.size() >= 9, "half a frame was sent");
    auto payload = byte(0) << 16 | byte(1) << 8 | byte(2);
    OXBOW_ASSERT(bytes.size() >= 9 + payload, "half a frame was sent");
    auto stream = byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
    if (byte(3) == kReset) frames.reset.insert(static_cast<StreamId>(stream));
    if (byte(3) == kGoAway) frames.goes_away = true;
    bytes.remove_prefix(9 + payload);
  }
  return frames;
}

// Answers some streams, lets some wait, refuses some.
class Service final : public http2::Handler {
 public:
  enum class Way { answers, waits, refuses, reads_nothing };

  // Our settings hold when the client says that it knows them.
  explicit Service(std::uint8_t ways) : ways_(ways) {
    take(std::string(kPreface).append(kSettings));
    sent();
    take(kAck);
  }

  bool take(std::string_view bytes) {
    taking_ = true;
    bool goes_on = session_.take(bytes);
    taking_ = false;
    return goes_on;
  }

  std::string sent() {
    std::string all;
    for (auto some = session_.bytes_to_send(); !some.empty(); some = session_.bytes_to_send()) all += some;
    return all;
  }

  void read_bodies() {
    for (auto& [stream, held] : held_)
      if (way_of(stream) != Way::reads_nothing) session_.consumed(stream, std::exchange(held, 0));
  }

  void check(const Frames& frames) const {
    for (auto stream : refused_)
      OXBOW_ASSERT(frames.goes_away || frames.reset.contains(stream) || reset_by_client_.contains(stream),
                   "stream {} was refused and is not told", stream);
  }

  bool story_begins(const std::map<StreamId, std::string>& whole) const {
    return std::ranges::all_of(story, [&](const auto& each) {
      auto found = whole.find(each.first);
      return found != whole.end() && found->second.starts_with(each.second);
    });
  }

  std::map<StreamId, std::string> story;  // what came, by stream

 private:
  Way way_of(StreamId stream) const { return static_cast<Way>(ways_ >> (stream / 2 % 4 * 2) & 3); }

  void on_request(StreamId stream, std::string head, bool has_body) override {
    OXBOW_ASSERT(head.size() <= kLimits.head_bytes_max + 100, "a head of {} bytes", head.size());
    OXBOW_ASSERT(!story.contains(stream), "stream {} has begun twice", stream);
    story[stream] = head + (has_body ? "|" : ".");
    held_[stream] = 0;
    OXBOW_ASSERT(held_.size() <= kLimits.streams_max, "{} streams at once", held_.size());
    auto way = way_of(stream);
    if (way == Way::answers) session_.respond(stream, 200, {{"x-mine", "yes"}}, true);
    if (way != Way::refuses) return;
    refused_.insert(stream);
    session_.reset(stream, http2::Reset::refused);
  }

  // Of what breaks a window, how much comes depends on the pieces.
  void on_body(StreamId stream, std::string_view bytes) override {
    OXBOW_ASSERT(held_.contains(stream), "a body of stream {}, which has not begun", stream);
    auto& held = held_[stream];
    if (held < kLimits.stream_window_bytes)
      story[stream] += bytes.substr(0, kLimits.stream_window_bytes - held);
    held += bytes.size();
    OXBOW_ASSERT(held <= kStreamBodyMax, "stream {} sends too much", stream);
  }

  void on_body_end(StreamId stream, std::string trailers) override {
    OXBOW_ASSERT(held_.contains(stream), "the end of stream {}, which has not begun", stream);
    if (held_[stream] <= kLimits.stream_window_bytes) story[stream] += "|" + trailers;
  }

  // As the gateway does: what nobody has read is given back with the stream.
  void on_closed(StreamId stream) override {
    if (taking_) reset_by_client_.insert(stream);
    auto held = held_.find(stream);
    if (held == held_.end()) return;
    session_.consumed(stream, held->second);
    held_.erase(held);
  }

  Piece next_piece(StreamId stream, std::span<char> into) override {
    auto& sent = answered_[stream];
    auto bytes = std::min<std::size_t>(into.size(), 3000 - sent);
    std::fill_n(into.begin(), bytes, 'x');
    sent += bytes;
    return {bytes, sent == 3000, {{"x-sum", "7"}}};
  }

  std::uint8_t ways_;
  http2::Session session_{*this, kLimits};
  std::map<StreamId, std::size_t> held_, answered_;
  std::set<StreamId> refused_, reset_by_client_;
  bool taking_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  Service at_once(data[0]), bit_by_bit(data[0]), talking(data[0]);
  at_once.take(bytes);
  at_once.check(frames_of(at_once.sent()));

  bool goes_on = true;
  for (std::size_t at = 0; goes_on && at < bytes.size(); ++at) goes_on = bit_by_bit.take({&bytes[at], 1});
  bit_by_bit.check(frames_of(bit_by_bit.sent()));
  OXBOW_ASSERT(goes_on ? bit_by_bit.story == at_once.story : bit_by_bit.story_begins(at_once.story),
               "byte by byte other streams come");

  goes_on = true;
  std::string sent;
  for (std::size_t at = 0; goes_on && at < bytes.size(); at += 50) {
    goes_on = talking.take(bytes.substr(at, 50));
    talking.read_bodies();
    sent += talking.sent();
  }
  talking.check(frames_of(sent));
  return 0;
}
