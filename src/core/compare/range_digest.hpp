// Whether two streams hold the same rows, whatever their order, in constant memory; and if not, which rows
// differ. A digest is the count and the sum (mod 2^128) of a keyed 128-bit hash of each row. A sum, not an
// XOR: two equal mistakes do not cancel each other, and a row that is there twice shows. Values; one thread
// each.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow {

class RangeDigest {
 public:
  explicit RangeDigest(std::uint64_t seed) : seed_(seed) {}

  void add(std::string_view row);
  std::uint64_t rows() const { return rows_; }

  friend bool operator==(const RangeDigest&, const RangeDigest&) = default;

 private:
  std::uint64_t seed_;
  std::uint64_t rows_ = 0;
  std::uint64_t low_ = 0;
  std::uint64_t high_ = 0;
};

enum class Difference { missing_on_new, extra_on_new, value };

// Rows by key on both sides; a key may stand for several equal rows where the whole row is the key.
class RowComparison {
 public:
  void add_legacy(std::string key, std::string_view row, std::string source_key);
  void add_new(std::string key, std::string_view row);

  struct Found {
    Difference difference;
    std::string key;         // as compared
    std::string source_key;  // empty where legacy has no such row
    std::uint64_t legacy_rows = 0;
    std::uint64_t new_rows = 0;
  };
  std::vector<Found> differences() const;  // in key order

 private:
  struct Entry {
    RangeDigest legacy{0};
    RangeDigest new_side{0};
    std::string source_key;
  };

  std::map<std::string, Entry> rows_;
};

}  // namespace oxbow
