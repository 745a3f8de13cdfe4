// HTTP/1.1 over a unix socket that only its owner may open. One task per connection, all on the executor of
// run(); sizes, times and the number of connections are bounded, so that no client can hold the control plane
// up.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "base/time.hpp"
#include "ports/http.hpp"

namespace oxbow {

struct HttpLimits {
  std::size_t body_bytes_max = 1 << 20;
  std::size_t connections_max = 64;
  Duration request_time_max = std::chrono::seconds(10);  // from the first byte to the last
  Duration idle_time_max = std::chrono::seconds(60);     // between two requests
};

class HttpServer {
 public:
  // Binds with mode 0600. A socket file that nobody answers on is replaced; `already_running` if somebody
  // does.
  static Result<std::unique_ptr<HttpServer>> listen(boost::asio::any_io_executor executor,
                                                    std::string socket_path, HttpHandler handler,
                                                    HttpLimits limits = {});
  ~HttpServer();  // removes the socket file

  // Serves until it is asked to stop; then no new request is taken, and those under way get their response.
  Task<void> run();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow
