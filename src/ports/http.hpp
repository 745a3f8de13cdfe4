// Requests and responses of the control API as values, so that who answers them knows nothing of sockets.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "runtime/task.hpp"

namespace oxbow {

struct HttpRequest {
  std::string method = "GET";
  std::string path = "/";                    // "/v1/status", decoded, without the query
  std::map<std::string, std::string> query;  // decoded; the last of several wins
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// Answers one request. An error of the task is answered with its HTTP status and its sentence as plain text.
using HttpHandler = std::function<Task<HttpResponse>(HttpRequest)>;

}  // namespace oxbow
