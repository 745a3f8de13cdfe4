// One record of a migration's journal as it is stored and hashed.
#pragma once

#include <cstdint>
#include <string>

namespace oxbow {

struct JournalRecord {
  std::uint64_t number = 0;   // 1, 2, 3, ... without gaps
  std::string body;           // canonical text, so that the hash can be computed again anywhere
  std::string previous_hash;  // lower-case hex; zeros for the first record
  std::string hash;           // SHA-256(previous_hash || body), lower-case hex

  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};

}  // namespace oxbow
