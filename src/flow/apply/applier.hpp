// Turns the log of the source into writes on the target: whole source transactions, grouped, so that the
// target is a prefix of the source's history at each of its commits (in settled ranges). Decides, by the
// fences, which changes a copy already has. Sans-IO: the driver feeds events and does what it is told; the
// simulation and the real pipeline drive the same object. Belongs to one stream and one thread.
//
//   driver: on_event()...          feed
//           wants_write() ?        take_steps() and write them in the open target transaction (begin it if
//           needed) group_is_due() ?       write what is left, commit with position(), then group_committed()
//
// A transaction of any size passes through in batches; the target transaction stays open until its end.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "core/mapping/mapping.hpp"
#include "core/mapping/row_mapper.hpp"
#include "core/merge/fence_book.hpp"
#include "core/merge/protections.hpp"
#include "core/merge/row_merger.hpp"
#include "flow/apply/mirrored_table.hpp"
#include "flow/apply/relation_routes.hpp"
#include "flow/apply/touched_keys.hpp"
#include "model/change.hpp"
#include "model/row_batch.hpp"
#include "model/stream_state.hpp"

namespace oxbow {

struct ApplyLimits {
  std::size_t batch_rows_max = 20'000;
  std::size_t batch_bytes_max = 8u << 20;
  std::size_t batch_steps_max = 10'000;
  std::size_t group_rows_max = 100'000;
  std::size_t held_bytes_max = 64u << 20;  // per range; a range that holds more is copied again later
  Duration group_age_max = std::chrono::milliseconds(100);
};

// Rows to write, with the source rows they were made of.
struct RowWrite {
  RowBatch batch;
  std::vector<MergedRow> origin;  // parallel to the batch's rows
};

// All rows of the table go. Beside copies, a lock on the whole table would wait for them, and they for us.
struct TruncateWrite {
  const TargetTable* table = nullptr;
  bool beside_copies = false;
  Xid wanted_by;
};

using WriteStep = std::variant<RowWrite, TruncateWrite, RangeRecord, QuarantineRecord, QuarantineRelease>;

// What the copier of a range has read under its snapshot.
struct CopiedRange {
  struct Rejected {
    std::string tuple;  // source row
    std::string reason;
  };

  Snapshot snapshot;
  Lsn snapshot_at;  // a position of the source's log, read after the snapshot was taken
  std::uint64_t rows = 0;
  std::vector<Rejected> rejected;  // rows that the new side does not take
};

// Rows of cohorts that are at home elsewhere, which somebody has written on the source all the same.
struct StrayWrites {
  struct Row {
    std::uint32_t table = 0;
    CohortId cohort;
    std::string key;  // for people
    Lsn commit_lsn;
  };

  std::vector<Row> rows;   // the first of them
  std::uint64_t more = 0;  // that are not among them
};

struct ApplyCounters {
  std::uint64_t transactions = 0;
  std::uint64_t changes = 0;
  std::uint64_t rows_written = 0;
  std::uint64_t quarantined = 0;
};

class Applier {
 public:
  // Transactions whose origin begins with `own_origins` are our own writes: none of their rows is applied.
  Applier(std::vector<MirroredTable> tables, ApplyLimits limits, Protections protections = {},
          std::string own_origins = {});

  // What an earlier run left. Ranges are added through fences(). Call before the first event.
  void restore(const StreamPosition& position, const std::vector<QuarantineRecord>& quarantine);

  // Whether a cohort that is not followed is at home elsewhere, so that nobody may write it on the source.
  using IsElsewhere = std::function<bool(std::uint32_t table, CohortId)>;
  void look_for_strays(IsElsewhere is_elsewhere) { is_elsewhere_ = std::move(is_elsewhere); }
  StrayWrites take_strays() { return std::exchange(strays_, {}); }

  // A snapshot of the source, taken now: widens transaction ids, and proves what it sees.
  void prove(const Snapshot& snapshot);

  // `schema_drift` if rows no longer fit the mapping, `internal` if the log contradicts itself.
  Status on_event(const LogEvent& event, Instant now);

  bool wants_write() const {
    return merged_rows_ + rows_in_steps_ >= limits_.batch_rows_max ||
           merged_bytes_ + bytes_in_steps_ >= limits_.batch_bytes_max ||
           steps_.size() >= limits_.batch_steps_max;
  }
  std::vector<WriteStep> take_steps();

  bool between_transactions() const { return !transaction_ && paused_.empty(); }
  bool group_is_open() const { return group_since_.has_value(); }
  bool group_is_due(Instant now, bool log_is_idle) const;

  // Some of its changes do not tell the position of their commit, because it had not been read yet.
  bool group_came_in_parts() const { return group_came_in_parts_; }
  StreamPosition position() const;
  void group_committed();

  // The source may forget everything before: it is committed on the target, or was nothing to us.
  std::optional<Lsn> confirmable() const;

  // Markers of ours whose transaction has been read to its end, oldest first; the group is then due at once.
  const std::vector<std::string>& markers() const { return markers_; }
  std::vector<std::string> take_markers();
  bool has_markers() const { return !markers_.empty(); }

  // Fences. Ids are unique within the stream.
  FenceBook& fences(std::uint32_t table) { return tables_[table].fences; }
  RangeId next_range_id() { return RangeId(++last_range_id_); }
  void reserve_range_ids(RangeId used);
  const std::vector<Xid>& unproven() const { return unproven_; }

  // Ends the copy of a range that is opening: the steps make the copier's transaction contain every change
  // that the stream has passed and the snapshot does not see; the copied record is the last of them. No
  // steps: the range was abandoned meanwhile and has to be copied again under another snapshot. If the steps
  // do not commit, or nobody knows, the stream begins again from what the target has stored. REQUIRES: no
  // group is open; the range's fence admits the snapshot.
  // A point whose held changes have to be read again themselves (`needs_another_snapshot`) must be abandoned
  // instead.
  bool needs_another_snapshot(std::uint32_t table, RangeId id, const CopiedRange& copied);
  std::vector<WriteStep> close_range(std::uint32_t table, RangeId id, const CopiedRange& copied);

  // True if the copy of this range may be closed only when the stream has passed its snapshot, and must be
  // placed at once then: rows of this table exclude each other, or a row may come over from other cohorts
  // that have ranges of their own. So all rows that stand on the target are of one moment. REQUIRES: it is in
  // the book.
  bool closes_behind_snapshot(std::uint32_t table, RangeId id);

  // Takes the last close_range() back, because its steps were rolled back: the range is pending again.
  // REQUIRES: no event since.
  void undo_close();

  // The copy failed; its range is pending again. REQUIRES: it is opening.
  void abandon_range(std::uint32_t table, RangeId id);

  // Source rows of a copy that has to look at them one by one, as steps of its transaction.
  std::vector<WriteStep> steps_for(std::uint32_t table, std::vector<MergedRow> rows);

  // Removes the row of this source key, if there is one.
  std::vector<WriteStep> remove_key_steps(std::uint32_t table, std::string_view key);

  // The database rejected this row of a write: it goes to quarantine, and later changes of its key queue
  // behind it.
  QuarantineRecord quarantine(const RowWrite& write, std::size_t row, const Error& reason);

  // The row was rejected because another one excludes it, which need not be so: while ranges of the table are
  // not settled, rows of an earlier mirror may stand in the way. It leaves the target and is read again when
  // the rest of the table is settled. Nothing if there is no such hope.
  std::vector<WriteStep> read_again_later(const RowWrite& write, std::size_t row);

  // Keys that wait in quarantine, with what people call them.
  using Quarantine = std::map<std::string, std::string, std::less<>>;
  const Quarantine& quarantined(std::uint32_t table) const { return tables_[table].quarantined; }

  // Reads a quarantined key again, as it will be when the rest of its table is settled. Until the copy of
  // that one row is closed its changes wait behind the row's own fence, and the key stays in quarantine: it
  // leaves it in the transaction that brings the row. False if the source cannot be asked for one such row.
  // May be called at any time; a crash forgets it, and the key is in quarantine as before.
  bool retry(std::uint32_t table, const std::string& key);

  // A key that waits from now on, as one of quarantine; and one that nobody waits for any more.
  void wait_to_be_read(std::uint32_t table, std::string key, std::string shown) {
    tables_[table].quarantined.emplace(std::move(key), std::move(shown));
  }
  void let_go(std::uint32_t table, std::string_view key) {
    auto waiting = tables_[table].quarantined.find(key);
    if (waiting != tables_[table].quarantined.end()) tables_[table].quarantined.erase(waiting);
  }

  // The legacy key of a row, for people: "payment_id=4711".
  std::string describe(const RowWrite& write, std::size_t row) const;

  TouchedKeys& touched() { return touched_; }
  ChangedKeys& changed(std::uint32_t table) { return tables_[table].changed; }
  const ApplyCounters& counters() const { return counters_; }
  std::optional<WallTime> last_commit_time() const { return last_commit_time_; }

 private:
  struct TableState {
    MirroredTable table;
    FenceBook fences;
    RowMerger merger;
    RowMapper mapper;
    Quarantine quarantined;  // by source key
    ChangedKeys changed = {};
  };

  struct Transaction {
    Xid xid;
    Lsn final_lsn;
    WallTime committed_at;
    bool already_applied = false;
    bool in_parts = false;
    bool is_echo = false;
    std::vector<std::string> markers;

    bool is_passed_over() const { return already_applied || is_echo; }
  };

  // What undo_close() needs.
  struct LastClose {
    std::uint32_t table = 0;
    FenceBook::Range before;
    ApplyCounters counters;
    std::vector<std::string> quarantined;
    Quarantine released;
    std::vector<std::string> points;
  };

  Status begin(const Begin& begin, Instant now);
  Status name_origin(std::string_view origin);
  Status part_end();
  Status next_part(const NextPart& next);
  Status commit(const Commit& commit);
  Status insert(RelationId relation, std::string_view after);
  Status update(RelationId relation, std::string_view before, std::string_view after);
  Status remove(RelationId relation, std::string_view before);
  Status truncate(const Truncate& truncate);

  Status update_row(const RelationRoute& route, std::string_view before, std::string_view after);
  Status route_change(const RelationRoute& route, RowOp op, std::string_view tuple);
  void note_stray(const TableState& state, std::string_view tuple, CohortId cohort);
  Status pass_over(TableState& state, std::string_view tuple, std::optional<CohortId> cohort,
                   const Error& misfit);
  Status apply_change(TableState& state, RowMerger& merger, const RowChange& change,
                      std::vector<WriteStep>& steps);
  void wait_in_quarantine(TableState& state, const RowChange& change, const std::string& key,
                          std::vector<WriteStep>& steps);
  Result<std::optional<CohortId>> cohort(const TableState& state, std::string_view tuple) const;
  std::string key_of(const TableState& state, std::string_view tuple) const;

  void merged_to_steps(TableState& state, std::vector<MergedRow> rows, std::vector<WriteStep>& steps);
  void read_again(TableState& state, const RowChange& change, std::vector<WriteStep>& steps);
  Result<RangeRecord> add_point(TableState& state, std::string key, const std::vector<Xid>& skipped);
  std::vector<Xid> not_surely_visible() const;
  void release(TableState& state, std::string_view key, std::vector<WriteStep>& steps);
  QuarantineRecord quarantine_row(TableState& state, RowOp op, std::string_view tuple, Lsn lsn,
                                  std::string reason);
  void flush_mergers();

  ApplyLimits limits_;
  Protections protections_;
  std::string own_origins_;
  IsElsewhere is_elsewhere_;
  StrayWrites strays_;
  RelationRoutes routes_;
  std::vector<TableState> tables_;

  std::optional<Transaction> transaction_;
  std::map<std::uint32_t, Transaction> paused_;  // in parts, by the id that the log gives them
  Xid reference_;                                // a recent id of the source
  Lsn applied_;                                  // end of the last transaction that was read to its end
  Lsn seen_;                                     // as applied_, or a keepalive behind it
  std::vector<Xid> unproven_;

  std::vector<WriteStep> steps_;   // in order; the mergers' content comes behind them
  std::size_t rows_in_steps_ = 0;  // that came out of the mergers
  std::size_t bytes_in_steps_ = 0;
  std::size_t merged_rows_ = 0;
  std::size_t merged_bytes_ = 0;
  std::size_t group_rows_ = 0;
  std::optional<Instant> group_since_;
  bool group_came_in_parts_ = false;
  std::vector<std::string> markers_;
  std::uint64_t last_range_id_ = 0;

  std::optional<LastClose> last_close_;
  TouchedKeys touched_;
  ApplyCounters counters_;
  std::optional<WallTime> last_commit_time_;
  std::string scratch_;
};

}  // namespace oxbow
