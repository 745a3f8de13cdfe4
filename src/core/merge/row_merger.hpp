// Folds the changes of one table within a batch into at most one statement per row, so that a row updated a
// thousand times is written once. Works on source tuples; knows nothing of transactions, fences or mappings.
//
//   first \ then   insert            update                    remove
//   insert         -                 insert, fields merged     nothing
//   update         -                 update, fields merged     remove
//   remove         update, all sent  -                         -
//
// A dash is a history that no database produces; merging it is a broken invariant of the stream and reported
// as such.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "model/position.hpp"
#include "model/row_batch.hpp"

namespace oxbow {

struct MergedRow {
  RowOp op = RowOp::insert;
  std::string tuple;             // source tuple; for `remove` only the key's fields need be sent
  bool missing_allowed = false;  // its cohort is not known, so it may belong to rows that are not mirrored
  Lsn lsn;                       // commit of the last change in it
  std::int64_t copies = 1;       // rows without a key: how many equal rows
};

class RowMerger {
 public:
  // `key_fields`: places of the identity in a source tuple; empty for full-row identity.
  explicit RowMerger(std::vector<std::size_t> key_fields);

  // REQUIRES: no field of an inserted tuple is unsent; update() is not for full-row identity.
  Status insert(std::string_view tuple, Lsn lsn);
  Status update(std::string_view tuple, Lsn lsn);
  Status remove(std::string_view tuple, Lsn lsn, bool missing_allowed);

  std::size_t rows() const { return rows_.size(); }
  std::size_t bytes() const { return bytes_; }
  bool empty() const { return rows_.empty(); }

  // In order: removes, updates, inserts; within each, by the bytes of the key, so that rows that are
  // neighbours on the target are written together. Empties the merger.
  std::vector<MergedRow> take();

 private:
  struct Row {
    MergedRow merged;
    std::string_view key;  // of by_key_
    bool gone = false;     // inserted and removed again: nothing to do
  };

  Row* find(std::string_view key);
  Row& add(std::string_view key, std::string_view tuple, RowOp op, Lsn lsn);
  std::string_view key_of(std::string_view tuple);
  void count(std::string_view tuple, std::int64_t delta, Lsn lsn);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };

  std::vector<std::size_t> key_fields_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> by_key_;
  std::vector<Row> rows_;
  std::size_t bytes_ = 0;
  std::string key_;  // scratch
};

// The fields `fields` of `tuple`, as a tuple of their own, into `out`.
void project(std::string_view tuple, const std::vector<std::size_t>& fields, std::string& out);

// `newer` where it is sent, else `older`.
std::string merge_fields(std::string_view older, std::string_view newer);

}  // namespace oxbow
