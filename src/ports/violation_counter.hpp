// Counts on the legacy side, for a limited time, which rows would break a constraint of the new one. One
// connection.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/task.hpp"

namespace oxbow {

struct Violations {
  std::uint64_t rows = 0;
  std::vector<std::string> samples;
};

class ViolationCounter {
 public:
  virtual ~ViolationCounter() = default;

  // `sql` gives rows of (how many in all, an example). `timeout` if it takes too long.
  virtual Task<Violations> count(std::string sql) = 0;
};

}  // namespace oxbow
