// Where findings live until something settles them. The same thing seen again is the same finding, counted.
// Safe from any thread; a call blocks for a disk write.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "model/finding.hpp"

namespace oxbow {

// A finding with its history. Its identity is (kind, table, key).
struct StoredFinding {
  Finding finding;
  WallTime first_seen;
  WallTime last_seen;
  std::uint64_t count = 1;
  bool open = true;
};

class FindingStore {
 public:
  virtual ~FindingStore() = default;

  // Opens each finding, or counts it again and takes over its newest sentence, detail and owner. All or none.
  virtual Status record_all(const std::vector<Finding>& findings, WallTime now) = 0;
  Status record(const Finding& finding, WallTime now) { return record_all({finding}, now); }

  // Closes it if it is open; `key` empty closes all findings of that kind on the table.
  virtual Status close(FindingKind kind, std::string_view table, std::string_view key, WallTime now) = 0;

  // Newest first; closed ones only if asked for.
  virtual Result<std::vector<StoredFinding>> list_findings(bool with_closed, std::size_t limit) = 0;
  virtual Result<std::uint64_t> count_open_findings() = 0;
};

}  // namespace oxbow
