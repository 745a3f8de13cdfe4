#include "protocol/http2/session.hpp"

#include <nghttp2/nghttp2.h>

#include <array>
#include <map>
#include <vector>

#include "base/assert.hpp"
#include "protocol/http1/head.hpp"

namespace oxbow::http2 {
namespace {

constexpr std::uint64_t kResetsAtOnceMax = 200;  // by the client
constexpr std::uint64_t kResetsPerSecondMax = 20;

std::string_view view(const std::uint8_t* bytes, std::size_t count) {
  return {reinterpret_cast<const char*>(bytes), count};
}

nghttp2_nv pair_of(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // copied there, not changed
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::vector<nghttp2_nv> pairs_of(const HeaderFields& fields) {
  std::vector<nghttp2_nv> pairs;
  for (const auto& field : fields) pairs.push_back(pair_of(field.name, field.value));
  return pairs;
}

std::uint32_t code_of(Reset why) {
  switch (why) {
    case Reset::no_error:
      return NGHTTP2_NO_ERROR;
    case Reset::internal:
      return NGHTTP2_INTERNAL_ERROR;
    case Reset::refused:
      return NGHTTP2_REFUSED_STREAM;
    case Reset::cancel:
      return NGHTTP2_CANCEL;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

// A block of fields on its way in.
struct Block {
  std::string method, path, authority, cookie, lines;
  std::size_t bytes = 0;
  bool is_refused = false;

  void add(std::string_view name, std::string_view value, std::size_t bytes_max) {
    bytes += name.size() + value.size() + 32;  // as RFC 9113, 6.5.2 counts
    is_refused = is_refused || bytes > bytes_max || !http1::is_field_value(value);
    if (is_refused) return;
    if (name.starts_with(':'))
      add_pseudo(name, value);
    else if (name == "cookie")  // RFC 9113, 8.2.3: cut into pieces here, one field in HTTP/1
      cookie.append(cookie.empty() ? "" : "; ").append(value);
    else if (!http1::is_token(name))
      is_refused = true;
    else if (name != "host" || authority.empty())
      lines.append(name).append(": ").append(value).append("\r\n");
  }

  void add_pseudo(std::string_view name, std::string_view value) {
    if (name == ":method") method = value;
    if (name == ":path") path = value;
    if (name == ":authority") authority = value;
  }

  std::string head() const {
    if (is_refused) return {};
    std::string text = method + " " + path + " HTTP/1.1\r\n";
    if (!authority.empty()) text += "Host: " + authority + "\r\n";
    text += lines;
    if (!cookie.empty()) text += "Cookie: " + cookie + "\r\n";
    return text + "\r\n";
  }

  std::string trailers() const { return is_refused ? std::string() : lines; }
};

}  // namespace

struct Session::Impl {
  Handler& handler;
  SessionLimits limits;
  nghttp2_session* session = nullptr;
  std::map<StreamId, Block> blocks{};

  static Impl& of(void* user) { return *static_cast<Impl*>(user); }

  static int begin_block(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    of(user).blocks[frame->hd.stream_id] = {};
    return 0;
  }

  static int add_field(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                       std::uint8_t, void* user) {
    auto& impl = of(user);
    impl.blocks[frame->hd.stream_id].add(view(name, name_bytes), view(value, value_bytes),
                                         impl.limits.head_bytes_max);
    return 0;
  }

  static int end_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& impl = of(user);
    auto stream = frame->hd.stream_id;
    bool is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_DATA && is_last) impl.handler.on_body_end(stream, {});
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    auto block = std::move(impl.blocks[stream]);
    impl.blocks.erase(stream);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
      impl.handler.on_request(stream, block.head(), !is_last);
    else
      impl.handler.on_body_end(stream, block.trailers());
    return 0;
  }

  static int add_body(nghttp2_session*, std::uint8_t, StreamId stream, const std::uint8_t* bytes,
                      std::size_t count, void* user) {
    of(user).handler.on_body(stream, view(bytes, count));
    return 0;
  }

  static int close_stream(nghttp2_session*, StreamId stream, std::uint32_t, void* user) {
    of(user).blocks.erase(stream);
    of(user).handler.on_closed(stream);
    return 0;
  }

  static ssize_t read_piece(nghttp2_session* session, StreamId stream, std::uint8_t* into, std::size_t space,
                            std::uint32_t* flags, nghttp2_data_source*, void* user) {
    auto piece = of(user).handler.next_piece(stream, {reinterpret_cast<char*>(into), space});
    if (!piece.is_last) return piece.bytes > 0 ? static_cast<ssize_t>(piece.bytes) : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    auto trailers = pairs_of(piece.trailers);
    if (!trailers.empty() && nghttp2_submit_trailer(session, stream, trailers.data(), trailers.size()) == 0)
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return static_cast<ssize_t>(piece.bytes);
  }

  void make_session();
  void say_settings() const;
};

void Session::Impl::make_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  bool made = nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0;
  OXBOW_ASSERT(made, "nghttp2 has no memory");
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_block);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, add_field);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, end_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, add_body);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, close_stream);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_stream_reset_rate_limit(option, kResetsAtOnceMax, kResetsPerSecondMax);
  made = nghttp2_session_server_new2(&session, callbacks, this, option) == 0;
  OXBOW_ASSERT(made, "nghttp2 has no memory");
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
}

void Session::Impl::say_settings() const {
  std::array<nghttp2_settings_entry, 3> settings = {
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams_max},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.head_bytes_max)}}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int>(limits.connection_window_bytes));
}

Session::Session(Handler& handler, const SessionLimits& limits)
    : impl_(std::make_unique<Impl>(Impl{handler, limits})) {
  impl_->make_session();
  impl_->say_settings();
}

Session::~Session() {
  nghttp2_session_del(impl_->session);
}

bool Session::take(std::string_view bytes) {
  auto taken = nghttp2_session_mem_recv(impl_->session, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                        bytes.size());
  return taken >= 0 && nghttp2_session_want_read(impl_->session) != 0;
}

std::string_view Session::bytes_to_send() {
  const std::uint8_t* bytes = nullptr;
  auto count = nghttp2_session_mem_send(impl_->session, &bytes);
  return count > 0 ? view(bytes, static_cast<std::size_t>(count)) : std::string_view();
}

void Session::respond(StreamId stream, int status, const HeaderFields& fields, bool has_body) {
  auto text = std::to_string(status);
  auto pairs = pairs_of(fields);
  pairs.insert(pairs.begin(), pair_of(":status", text));
  nghttp2_data_provider body{.source = {}, .read_callback = Impl::read_piece};
  if (status < 200)
    nghttp2_submit_headers(impl_->session, NGHTTP2_FLAG_NONE, stream, nullptr, pairs.data(), pairs.size(),
                           nullptr);
  else
    nghttp2_submit_response(impl_->session, stream, pairs.data(), pairs.size(), has_body ? &body : nullptr);
}

void Session::resume(StreamId stream) {
  nghttp2_session_resume_data(impl_->session, stream);
}

void Session::consumed(StreamId stream, std::size_t bytes) {
  nghttp2_session_consume(impl_->session, stream, bytes);
}

void Session::reset(StreamId stream, Reset why) {
  nghttp2_submit_rst_stream(impl_->session, NGHTTP2_FLAG_NONE, stream, code_of(why));
}

void Session::go_away() {
  nghttp2_submit_goaway(impl_->session, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(impl_->session), NGHTTP2_NO_ERROR, nullptr,
                        0);
}

}  // namespace oxbow::http2
