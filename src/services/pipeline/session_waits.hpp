// For whom our sessions in both databases wait: looked at once a second, from outside. Lives on the
// pipeline's executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <string>
#include <vector>

#include "model/side.hpp"
#include "services/pipeline/ports.hpp"

namespace oxbow {

class SessionWaits {
 public:
  SessionWaits(boost::asio::any_io_executor executor, const PipelinePorts& ports)
      : executor_(std::move(executor)), ports_(ports) {}

  // Ends with the error of a database that never let us in and never will.
  Task<void> run();

  // A sentence each.
  std::vector<std::string> sentences() const;

 private:
  Task<void> watch(Side side, std::vector<std::string>& waits);

  boost::asio::any_io_executor executor_;
  const PipelinePorts& ports_;
  std::vector<std::string> legacy_waits_, new_waits_;
};

}  // namespace oxbow
