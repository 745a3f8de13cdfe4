// Where findings live until something settles them. The same thing seen again is the same finding, counted.
// Safe from any thread; a call blocks for a disk write.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
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
  std::uint64_t id = 0;
  std::string ending;  // what settled it; empty while it is open
};

using FindingNames = std::set<std::pair<std::string, std::string>>;  // table and key

// Open findings. What is not said does not matter.
struct FindingSelection {
  std::optional<std::uint64_t> id = {};
  std::optional<FindingKind> kind = {};
  std::optional<std::string> entity = {};
  std::optional<std::string> table = {};
  std::optional<std::string> key = {};
  std::optional<WallTime> seen_before = {};
  FindingNames but = {};  // those that still hold
};

struct FindingQuery {
  std::optional<FindingKind> kind = {};
  std::optional<std::string> entity = {};
  bool with_closed = false;
  std::uint64_t skip = 0;
  std::uint64_t limit = 100;
};

class FindingStore {
 public:
  virtual ~FindingStore() = default;

  // Opens each finding, or counts it again and takes over its newest sentence, detail and owner. All or none.
  // A rogue write happens once: the same one told again, as every start of the stream does, is no news.
  virtual Status record_all(const std::vector<Finding>& findings, WallTime now) = 0;
  Status record(const Finding& finding, WallTime now) { return record_all({finding}, now); }

  // Closes them; `ending` says what settled them. Returns how many there were.
  virtual Result<std::uint64_t> close(const FindingSelection& which, std::string_view ending,
                                      WallTime now) = 0;

  // Newest first.
  virtual Result<std::vector<StoredFinding>> list_findings(const FindingQuery& query) = 0;

  // How many the query would find if it had no limit.
  virtual Result<std::uint64_t> count_findings(const FindingQuery& query) = 0;
};

}  // namespace oxbow
