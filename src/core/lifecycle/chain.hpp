// The journal's hash chain: each record carries the hash of the one before, so that a record that was
// changed, removed or put in later is found by anybody who reads the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/journal.hpp"

namespace oxbow {

// Where a chain ends: number 0 and zeros before the first record.
struct ChainHead {
  std::uint64_t number = 0;
  std::string hash = std::string(64, '0');

  friend bool operator==(const ChainHead&, const ChainHead&) = default;
};

std::string chain_hash(std::string_view previous_hash, std::string_view body);

// The next record; moves `head` on.
JournalRecord chain(ChainHead& head, std::string body);

// Moves `head` over `records`. `store_corrupt` naming the first record that does not follow.
Status verify_chain(ChainHead& head, const std::vector<JournalRecord>& records);

}  // namespace oxbow
