// What a TLS stream is made from: certificates and trusted authorities out of files in PEM form. A context is
// never changed; when its files change another one takes its place, and streams keep the one they began with.
// Belongs to one thread.
#pragma once

#include <openssl/ssl.h>
#include <sys/stat.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adapters/net/net.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace oxbow::net {

using TlsContext = std::shared_ptr<SSL_CTX>;

struct TlsFree {
  void operator()(SSL* tls) const { SSL_free(tls); }
};
using Tls = std::unique_ptr<SSL, TlsFree>;

// Shows `identity` to clients. `spec_invalid`, with the file and what is wrong with it.
Result<TlsContext> make_server_context(const Identity& identity);

// Trusts the authorities in this file and no others; empty: those that the system trusts.
Result<TlsContext> make_client_context(const std::string& ca_path);

// REQUIRES: the context has the part's role
Tls make_server_part(const TlsContext& context);
// Demands a certificate for `host`, a name or an address.
Tls make_client_part(const TlsContext& context, const std::string& host);

// The context that the files give now.
class FollowedContext {
 public:
  using Make = std::function<Result<TlsContext>()>;

  static Result<FollowedContext> open(std::vector<std::string> files, Make make);

  // Looks at the files at most once a second. New ones that cannot be used are logged, and the context before
  // stays.
  const TlsContext& at(Instant now);

 private:
  struct Look {
    ::timespec changed{};
    ::off_t size = 0;
    ::ino_t inode = 0;
    bool operator==(const Look& other) const;
  };

  std::vector<Look> look() const;

  std::vector<std::string> files_;
  Make make_;
  std::vector<Look> seen_;
  TlsContext context_;
  Instant looked_{};
};

}  // namespace oxbow::net
