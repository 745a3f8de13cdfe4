#include "adapters/net/tls_stream.hpp"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <boost/asio/post.hpp>

namespace oxbow::net {

namespace asio = boost::asio;

namespace {

constexpr int kReadsWithoutWaitingMax = 16;  // a record each

std::string failure_text(SSL* tls, int error, int system_error) {
  if (auto verdict = SSL_get_verify_result(tls); verdict != X509_V_OK)
    return fmt::format("its certificate is refused: {}", X509_verify_cert_error_string(verdict));
  const auto* reason = ERR_reason_error_string(ERR_peek_error());
  if (reason != nullptr) return fmt::format("TLS: {}", reason);
  if (error == SSL_ERROR_SYSCALL && system_error != 0)
    return boost::system::error_code(system_error, boost::system::system_category()).message();
  return "TLS: the connection ended without a word";
}

}  // namespace

TlsStream::TlsStream(Socket socket, std::string peer_address, Tls tls)
    : socket_(std::move(socket)), peer_address_(std::move(peer_address)), tls_(std::move(tls)) {
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
  SSL_set_fd(tls_.get(), socket_.native_handle());
}

TlsStream::~TlsStream() {
  TlsStream::close(false);
}

// Asked at once behind the call that gave `result`: errno and OpenSSL's list of errors are the thread's.
TlsStream::Outcome TlsStream::outcome_of(int result) {
  if (result > 0) return Outcome::done;
  auto system_error = errno;
  auto error = SSL_get_error(tls_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return Outcome::wants_read;
  if (error == SSL_ERROR_WANT_WRITE) return Outcome::wants_write;
  if (error == SSL_ERROR_ZERO_RETURN) return Outcome::ended;
  failure_ = failure_text(tls_.get(), error, system_error);
  return Outcome::broken;
}

std::unexpected<Error> TlsStream::lost() const {
  return Err(ErrorCode::connection_lost, "{}", failure_.empty() ? "the connection is closed" : failure_);
}

// The descriptor may be another connection's after a close, so OpenSSL must not be asked again then.
Task<void> TlsStream::wait_for(Outcome what) {
  if (what == Outcome::ended || what == Outcome::broken) co_return lost();
  reads_without_waiting_ = 0;
  auto [error] = co_await socket_.async_wait(
      what == Outcome::wants_read ? Socket::wait_read : Socket::wait_write, kToken);
  if (error) co_return Err(ErrorCode::connection_lost, "{}", error.message());
  if (!is_usable()) co_return lost();
  co_return Status{};
}

Task<void> TlsStream::shake_hands() {
  while (is_usable()) {
    ERR_clear_error();
    auto outcome = outcome_of(SSL_do_handshake(tls_.get()));
    if (outcome == Outcome::done) co_return Status{};
    CO_TRY(co_await wait_for(outcome));
  }
  co_return lost();
}

// A fast peer must not keep the thread for itself: what needs no waiting lets the others go first at times.
Task<std::size_t> TlsStream::read_some(std::span<char> into) {
  if (++reads_without_waiting_ > kReadsWithoutWaitingMax) {
    reads_without_waiting_ = 0;
    co_await asio::post(socket_.get_executor(), asio::use_awaitable);
  }
  while (is_usable()) {
    ERR_clear_error();
    std::size_t read = 0;
    auto outcome = outcome_of(SSL_read_ex(tls_.get(), into.data(), into.size(), &read));
    if (outcome == Outcome::done) co_return read;
    if (outcome == Outcome::ended) co_return 0;
    CO_TRY(co_await wait_for(outcome));
  }
  co_return lost();
}

// Takes from `bytes` what has gone.
TlsStream::Outcome TlsStream::write_records(std::string_view& bytes) {
  while (!bytes.empty()) {
    ERR_clear_error();
    std::size_t written = 0;
    auto outcome = outcome_of(SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &written));
    if (outcome != Outcome::done) return outcome;
    bytes.remove_prefix(written);
  }
  return Outcome::done;
}

Task<void> TlsStream::write(std::string_view bytes) {
  while (is_usable()) {
    auto outcome = write_records(bytes);
    if (outcome == Outcome::done) co_return Status{};
    CO_TRY(co_await wait_for(outcome));
  }
  co_return lost();
}

// A record that went only in part is not counted: the next write brings its bytes again, and OpenSSL goes on
// where it stopped. An error is left to the next write, which reports it.
std::size_t TlsStream::write_now(std::string_view bytes) {
  if (!is_usable() || !SSL_is_init_finished(tls_.get())) return 0;
  auto left = bytes;
  write_records(left);
  return bytes.size() - left.size();
}

Task<void> TlsStream::shutdown_write() {
  while (is_usable() && SSL_is_init_finished(tls_.get())) {
    ERR_clear_error();
    auto result = SSL_shutdown(tls_.get());
    if (result >= 0) break;
    CO_TRY(co_await wait_for(outcome_of(result)));
  }
  if (!socket_.is_open()) co_return lost();
  boost::system::error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) co_return Err(ErrorCode::connection_lost, "{}", error.message());
  co_return Status{};
}

// Tickets for later sessions may have come, which are no answer to anything.
bool TlsStream::is_quiet() {
  if (!is_usable()) return false;
  ERR_clear_error();
  char byte = 0;
  return outcome_of(SSL_peek(tls_.get(), &byte, 1)) == Outcome::wants_read;
}

void TlsStream::close(bool reset) {
  if (!socket_.is_open()) return;
  boost::system::error_code ignored;
  if (reset) {
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  } else if (is_usable() && SSL_is_init_finished(tls_.get())) {
    ERR_clear_error();
    SSL_shutdown(tls_.get());
  }
  socket_.close(ignored);
}

std::string_view TlsStream::application_protocol() const {
  const unsigned char* name = nullptr;
  unsigned bytes = 0;
  SSL_get0_alpn_selected(tls_.get(), &name, &bytes);
  return {reinterpret_cast<const char*>(name), bytes};
}

}  // namespace oxbow::net
