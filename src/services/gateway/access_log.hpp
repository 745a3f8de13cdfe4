// One line of JSON for every request, without what looks like a secret in its target. Lines are gathered and
// handed over twice a second to a thread that writes them, so no request waits for a disk or a reader.
// Belongs to one thread, but for what is marked.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/line_writer.hpp"
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

  // Hands over what was gathered until it is cancelled.
  Task<void> run();

  void reopen() { writer_.reopen(); }                                // any thread
  std::uint64_t lines_lost() const { return writer_.lines_lost(); }  // any thread

 private:
  LineWriter writer_;
  std::string lines_;
};

}  // namespace oxbow
