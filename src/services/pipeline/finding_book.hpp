// The way from the data plane to the store of findings. What is reported in one turn of the executor goes to
// the disk together, in its next turn: a thousand findings cost one write, and nobody waits for it meanwhile.
// Lives on one executor with one thread, as long as the executor works.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <string>
#include <vector>

#include "ports/finding_store.hpp"

namespace oxbow {

class FindingBook {
 public:
  FindingBook(boost::asio::any_io_executor executor, FindingStore& store, std::function<WallTime()> now);

  void report(Finding finding);

  // Behind everything that was reported before.
  void close(const FindingSelection& which, const std::string& ending);

 private:
  void write();

  boost::asio::any_io_executor executor_;
  FindingStore& store_;
  std::function<WallTime()> now_;
  std::vector<Finding> reported_;  // not written yet; if there are any, write() is on its way
};

}  // namespace oxbow
