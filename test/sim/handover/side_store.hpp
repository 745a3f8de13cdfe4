// One of the two servers: each is the source of one stream and the target of the other. Transactions of any
// length lock rows, unique values, the table and what guards ask for; a commit enters the log before it is
// visible, and keeps its locks until then. What a stream has to remember is committed with its rows. One
// thread, driven by the simulation.
#pragma once

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
  std::map<std::string, QuarantineRecord> quarantine;  // by key
};

class SideStore {
 public:
  SideStore(Side side, Payments rows);

  Side side() const { return side_; }

  // ---- transactions ----

  Xid begin(std::string origin = {});
  bool is_running(Xid xid) const;

  //   must_wait    somebody else has the row or its unique value, and has not ended
  //   clash        another row has its unique value
  enum class Written { done, must_wait, clash, no_such_row, row_is_there };
  Written lock_row(Xid xid, std::int64_t number);
  Written insert(Xid xid, std::int64_t number, const Payment& payment);
  Written update(Xid xid, std::int64_t number, const Payment& payment);
  Written remove(Xid xid, std::int64_t number, bool missing_allowed = false);
  std::optional<Payment> read(Xid xid, std::int64_t number) const;  // what it may change
  void save(Xid xid, const RangeRecord& record);
  void forget_range(Xid xid, RangeId id);
  void save(Xid xid, const QuarantineRecord& record);
  void release(Xid xid, const QuarantineRelease& release);
  void set_position(Xid xid, StreamPosition position);

  struct RowChanged {
    std::int64_t number;
    std::optional<Payment> before, after;
  };
  std::vector<RowChanged> changes_of(Xid xid) const;
  void commit(Xid xid);  // it is in the log; it ends when it becomes visible
  void roll_back(Xid xid);

  // ---- what makes others wait ----

  void lock_table(Xid xid);
  std::set<Xid> writers() const;  // who has the table's lock
  bool try_lock_shared(Xid xid, CohortId cohort);
  bool try_drain(CohortId cohort);  // until it succeeds, nobody gets the shared lock any more
  void stop_draining(CohortId cohort) { draining_.erase(cohort); }
  void unlock(Xid xid);  // the order that no server has: locks go before the commit is in the log

  // ---- visibility and the log ----

  void make_one_visible(Random& random);
  void make_all_visible();
  Snapshot snapshot() const;
  bool newest_is_seen(const Snapshot& snapshot, std::int64_t number) const;
  std::optional<Payment> read(const Snapshot& snapshot, std::int64_t number) const;

  struct Logged {
    Lsn end_lsn;
    std::vector<LogEvent> events;
  };
  const std::deque<Logged>& log() const { return log_; }
  Lsn log_end() const { return Lsn(next_lsn_); }
  void emit_marker(std::string content);

  // Running transactions are gone, commits are visible, all that is durable is there.
  void restart();

  const Payments& rows() const { return rows_; }  // as of the end of the log
  const StoredStream& stream_here() const { return stream_; }
  void create_stream(StreamPosition position) { stream_.position = std::move(position); }

  GuardBook guards;
  NumberSequence numbers;
  Lsn confirmed;  // the stream from here will not ask again for what is before

 private:
  struct Transaction {
    std::string origin;
    std::map<std::int64_t, std::optional<Payment>> writes;
    std::set<std::int64_t> rows, codes;  // locked; codes that it took or gave up
    std::set<CohortId> shared;
    bool has_table = false, is_logged = false;
    std::vector<LogEvent> events;
    std::vector<std::variant<RangeRecord, RangeId, QuarantineRecord, QuarantineRelease>> saved;
    std::optional<StreamPosition> position;
  };

  Transaction& running(Xid xid);
  Written take_code(Xid xid, std::int64_t number, const std::optional<Payment>& before,
                    const std::optional<Payment>& after);
  void write(Xid xid, std::int64_t number, std::optional<Payment> payment);
  void store(const Transaction& transaction);

  Side side_;
  Payments rows_;
  std::map<std::int64_t, std::vector<std::pair<Xid, std::optional<Payment>>>> versions_;  // in commit order
  std::map<Xid, Transaction> transactions_;  // running, or in the log and not visible yet
  std::set<CohortId> draining_;
  std::deque<Logged> log_;
  StoredStream stream_;
  std::uint64_t next_xid_ = 100;
  std::uint64_t next_lsn_ = 1000;
};

}  // namespace oxbow::sim
