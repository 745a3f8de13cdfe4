// One line of JSON for every request, without what looks like a secret in its target. Lines are gathered and
// written twice a second, so a request never waits for a disk of its own.
#pragma once

#include <cstdio>
#include <string>

#include "runtime/task.hpp"
#include "services/gateway/client_exchange.hpp"
#include "services/gateway/visit.hpp"

namespace oxbow {

class AccessLog {
 public:
  // A file that is appended to, "-" for standard output, or nothing.
  explicit AccessLog(const std::string& path);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void add(const Visit& visit, const ClientExchange& client);

  // What was no request that could be answered.
  void add_refused(const http1::Requester& requester, const http1::Refusal& refusal);

  void flush();

  // Writes what was gathered until it is cancelled.
  Task<void> run();

 private:
  std::FILE* file_ = nullptr;
  bool owns_file_ = false;
  bool has_failed_ = false;
  std::string lines_;
};

}  // namespace oxbow
