// One of the two servers: each is the source of one stream and the target of the other. Transactions of any
// length lock rows, unique values, tables and what guards ask for; a commit enters the log before it is
// visible, and keeps its locks until then. What a stream has to remember is committed with its rows. One
// thread, driven by the simulation.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "model/change.hpp"
#include "model/position.hpp"
#include "model/side.hpp"
#include "model/stream_state.hpp"
#include "sim/handover/guard_book.hpp"
#include "sim/handover/number_sequence.hpp"
#include "sim/handover/payment.hpp"

namespace oxbow::sim {

// What the target of a stream has stored of it.
struct StoredStream {
  std::optional<StreamPosition> position;  // none: there is no such stream yet
  std::map<RangeId, RangeRecord> ranges;
  std::map<RowKey, QuarantineRecord> quarantine;
};

class SideStore {
 public:
  SideStore(Side side, PaymentRows rows);

  Side side() const { return side_; }

  // ---- transactions ----

  Xid begin(std::string origin = {});
  bool is_running(Xid xid) const;

  // Its session is gone, and it goes on for itself, with its locks and over a restart of the server.
  void prepare(Xid xid);
  bool is_prepared(Xid xid) const;

  //   must_wait    somebody else has the row or its unique value, and has not ended
  //   clash        another row has its unique value
  enum class Written { done, must_wait, clash, no_such_row, row_is_there };
  Written lock_row(Xid xid, RowKey key);
  Written insert(Xid xid, RowKey key, const PaymentRow& row);
  Written update(Xid xid, RowKey key, const PaymentRow& row);
  Written remove(Xid xid, RowKey key, bool missing_allowed = false);
  void truncate(Xid xid, PaymentTable table);  // REQUIRES: it has the whole table
  std::vector<RowKey> keys_of(Xid xid, PaymentTable table) const;
  std::optional<PaymentRow> read(Xid xid, RowKey key) const;  // what it may change
  void save(Xid xid, const RangeRecord& record);
  void forget_range(Xid xid, RangeId id);
  void save(Xid xid, const QuarantineRecord& record);
  void release(Xid xid, const QuarantineRelease& release);
  void set_position(Xid xid, StreamPosition position);

  struct RowChanged {
    RowKey key;
    std::optional<PaymentRow> before, after;
  };
  std::vector<RowChanged> changes_of(Xid xid) const;
  void commit(Xid xid);  // it is in the log; it ends when it becomes visible
  void roll_back(Xid xid);

  // ---- what makes others wait ----

  // Who writes a table has its lock; who empties it has it whole, alone. False: it is not to be had now.
  bool lock_table(Xid xid, PaymentTable table);
  bool lock_whole_table(Xid xid, PaymentTable table);
  bool is_locked_whole(PaymentTable table) const;
  std::set<Xid> writers() const;  // who has the lock of any table
  std::set<Xid> writers_of(PaymentTable table) const;
  const std::set<PaymentTable>& tables_of(Xid xid) const { return transactions_.at(xid).tables; }
  bool try_lock_shared(Xid xid, CohortId cohort);
  std::set<Xid> drain(CohortId cohort);  // who has the shared lock; from here on nobody else gets it
  void stop_draining(CohortId cohort) { draining_.erase(cohort); }
  void unlock(Xid xid);  // the order that no server has: locks go before the commit is in the log

  // ---- visibility and the log ----

  void make_one_visible(Random& random);
  void make_all_visible();
  Snapshot snapshot() const;
  bool newest_is_seen(const Snapshot& snapshot, RowKey key) const;
  std::optional<PaymentRow> read(const Snapshot& snapshot, RowKey key) const;
  PaymentRows read(const Snapshot& snapshot, PaymentTable table) const;

  struct Logged {
    Lsn end_lsn;
    std::vector<LogEvent> events;
  };
  const std::deque<Logged>& log() const { return log_; }
  Lsn log_end() const { return Lsn(next_lsn_); }
  void emit_marker(std::string content);

  // Running transactions are gone, if they were not prepared; commits are visible, all that is durable is
  // there.
  void restart();

  // The server is brought back as it was, without anybody who was at work.
  void come_back_as(const SideStore& earlier);

  const PaymentRows& rows() const { return rows_; }       // as of the end of the log
  std::int64_t largest_number(PaymentTable table) const;  // 0: no row
  const StoredStream& stream_here() const { return stream_; }
  void create_stream(StreamPosition position) { stream_.position = std::move(position); }

  GuardBook guards;
  std::array<NumberSequence, kPaymentTables.size()> numbers;  // by PaymentTable
  std::uint64_t beat = 0;                                     // the last one that went through the log
  Lsn confirmed;  // the stream from here will not ask again for what is before

 private:
  struct Transaction {
    std::string origin;
    std::map<RowKey, std::optional<PaymentRow>> writes;
    std::set<PaymentTable> tables, whole_tables;  // locked, as the rows; whole ones are among them
    std::set<PaymentTable> emptied;
    std::set<RowKey> rows;
    std::set<std::int64_t> codes;  // of payments, that it took or gave up
    std::set<CohortId> shared;
    bool is_prepared = false, is_logged = false;
    std::vector<LogEvent> events;
    std::vector<std::variant<RangeRecord, RangeId, QuarantineRecord, QuarantineRelease>> saved;
    std::optional<StreamPosition> position;
  };

  Transaction& running(Xid xid);
  Written take_code(Xid xid, RowKey key, const std::optional<PaymentRow>& before,
                    const std::optional<PaymentRow>& after);
  void write(Xid xid, RowKey key, std::optional<PaymentRow> row);
  void store(const Transaction& transaction);

  Side side_;
  PaymentRows rows_;
  std::map<RowKey, std::vector<std::pair<Xid, std::optional<PaymentRow>>>> versions_;  // in commit order
  std::map<Xid, Transaction> transactions_;  // running, or in the log and not visible yet
  std::set<CohortId> draining_;
  std::deque<Logged> log_;
  StoredStream stream_;
  std::uint64_t next_xid_ = 100;
  std::uint64_t next_lsn_ = 1000;
};

}  // namespace oxbow::sim
