#include "adapters/net/tls_context.hpp"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <boost/system/error_code.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"

namespace oxbow::net {
namespace {

constexpr Duration kLookEvery = std::chrono::seconds(1);
constexpr char kCiphersOfTls12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";  // those of TLS 1.3 are all sound
// By preference, as ALPN writes them.
constexpr unsigned char kProtocolsOfUsers[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr unsigned char kProtocolsOfServices[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

std::string reason() {
  auto code = ERR_peek_last_error();
  const auto* text = ERR_reason_error_string(code);
  return text != nullptr ? text : "error " + std::to_string(code);
}

std::unexpected<Error> unusable(std::string_view what, std::string_view path, std::string_view why) {
  return Err(ErrorCode::spec_invalid, "the {} {} cannot be used: {}", what, path, why);
}

// OpenSSL does not say well what is wrong with a file that cannot be opened.
Status check_readable(std::string_view what, const std::string& path) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return unusable(what, path, boost::system::error_code(errno, boost::system::system_category()).message());
  ::close(file);
  return {};
}

// Nobody is there to type the password of an encrypted key.
int no_password(char*, int, int, void*) {
  return -1;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned offered_bytes, void*) {
  unsigned char* match = nullptr;
  auto outcome = SSL_select_next_proto(&match, chosen_bytes, kProtocolsOfUsers, sizeof kProtocolsOfUsers,
                                       offered, offered_bytes);
  *chosen = match;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

TlsContext make_context(const SSL_METHOD* method) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
  OXBOW_ASSERT(context != nullptr, "OpenSSL makes no context: {}", reason());
  auto* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(raw, kCiphersOfTls12);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // An idle connection keeps no buffers; what one write could not finish, the next one may bring from another
  // place.
  SSL_CTX_set_mode(
      raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(raw, 1);
  // Clients carry their sessions in tickets, so that none are kept here.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(raw, no_password);
  return context;
}

bool is_address(const std::string& host) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

Tls make_part(const TlsContext& context) {
  Tls tls(SSL_new(context.get()));
  OXBOW_ASSERT(tls != nullptr, "OpenSSL makes no session: {}", reason());
  return tls;
}

}  // namespace

Result<TlsContext> make_server_context(const Identity& identity) {
  TRY(check_readable("certificate", identity.certificate_path));
  TRY(check_readable("key", identity.key_path));
  auto context = make_context(TLS_server_method());
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), identity.certificate_path.c_str()) != 1)
    return unusable("certificate", identity.certificate_path, reason());
  if (SSL_CTX_use_PrivateKey_file(context.get(), identity.key_path.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1)
    return unusable("key", identity.key_path,
                    fmt::format("{}; it must be that of {}", reason(), identity.certificate_path));
  return context;
}

Result<TlsContext> make_client_context(const std::string& ca_path) {
  if (!ca_path.empty()) TRY(check_readable("file of certificate authorities", ca_path));
  auto context = make_context(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context.get(), kProtocolsOfServices, sizeof kProtocolsOfServices);
  if (ca_path.empty())
    SSL_CTX_set_default_verify_paths(context.get());
  else if (SSL_CTX_load_verify_locations(context.get(), ca_path.c_str(), nullptr) != 1)
    return unusable("file of certificate authorities", ca_path, reason());
  return context;
}

Tls make_server_part(const TlsContext& context) {
  auto tls = make_part(context);
  SSL_set_accept_state(tls.get());
  return tls;
}

// RFC 6066, 3: an address is not sent as the name of a server.
Tls make_client_part(const TlsContext& context, const std::string& host) {
  auto tls = make_part(context);
  SSL_set_connect_state(tls.get());
  int is_set = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls.get()), host.c_str())
                                : SSL_set1_host(tls.get(), host.c_str()) &&
                                      SSL_set_tlsext_host_name(tls.get(), host.c_str());
  // Without a name any certificate would do.
  OXBOW_ASSERT(is_set == 1, "OpenSSL does not take `{}` as a host", host);
  return tls;
}

// ---- FollowedContext ----

bool FollowedContext::Look::operator==(const Look& other) const {
  return changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec &&
         size == other.size && inode == other.inode;
}

Result<FollowedContext> FollowedContext::open(std::vector<std::string> files, Make make) {
  FollowedContext followed;
  followed.files_ = std::move(files);
  followed.make_ = std::move(make);
  followed.seen_ = followed.look();
  followed.context_ = TRY(followed.make_());
  return followed;
}

std::vector<FollowedContext::Look> FollowedContext::look() const {
  std::vector<Look> looks;
  for (const auto& file : files_) {
    struct stat info{};
    bool exists = ::stat(file.c_str(), &info) == 0;
    looks.push_back(exists ? Look{info.st_mtim, info.st_size, info.st_ino} : Look{});
  }
  return looks;
}

const TlsContext& FollowedContext::at(Instant now) {
  if (files_.empty() || now - looked_ < kLookEvery) return context_;
  looked_ = now;
  auto looks = look();
  if (looks == seen_) return context_;
  seen_ = std::move(looks);
  if (auto made = make_()) {
    context_ = std::move(*made);
    log_info("{}: read again and in use", fmt::join(files_, " and "));
  } else {
    log_warn("{}; the one before stays in use", made.error().detail);
  }
  return context_;
}

}  // namespace oxbow::net
