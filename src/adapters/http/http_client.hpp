// One request over a unix socket, for the command line: blocks until the response is there or the time is
// over.
#pragma once

#include <string>

#include "base/time.hpp"
#include "ports/http.hpp"

namespace oxbow {

// `not_running` if nobody listens on the socket, `timeout` if the answer did not come within `limit`. Any
// HTTP status is a response.
Result<HttpResponse> http_call(const std::string& socket_path, const HttpRequest& request, Duration limit);

}  // namespace oxbow
