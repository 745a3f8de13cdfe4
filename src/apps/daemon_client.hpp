// Talks to the running `oxbow up` of a migration.
#pragma once

#include <boost/json/fwd.hpp>
#include <map>
#include <string>

#include "apps/cli.hpp"

namespace oxbow {

class DaemonClient {
 public:
  explicit DaemonClient(const Settings& settings) : socket_path_(settings.socket_path()) {}

  // The answer to GET /v1/<what> as it came; a refusal is the error that the daemon gave.
  Result<std::string> get(const std::string& what, std::map<std::string, std::string> query = {}) const;

  // POST /v1/<operation>; adds who asks.
  Result<std::string> post(const std::string& operation, boost::json::object fields) const;

 private:
  std::string socket_path_;
};

}  // namespace oxbow
