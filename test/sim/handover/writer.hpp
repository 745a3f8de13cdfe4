// Somebody who writes payments and their lines in transactions of several statements, with pauses between any
// two steps, and now and then one that is stopped for long. He writes on one side, around the gateway, or
// where the gateway sends him. He obeys the guards as their triggers do: the table's lock first, then the
// row's, then a look at the guard, at a near guard the shared lock and a second look. One thread, driven by
// the simulation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/handover/stage.hpp"

namespace oxbow::sim {

class Writer {
 public:
  // Without a side: through the gateway.
  Writer(Stage& stage, std::optional<Side> direct) : stage_(stage), direct_(direct) {}

  void step();
  void break_off(Side side);  // its server is gone
  void finish();              // ends what he has begun, begins nothing more
  bool is_idle() const { return phase_ == Phase::idle; }

 private:
  enum class Phase {
    idle,
    asleep,  // he has made up his mind, which may be long out of date when he wakes up
    kept,    // by the gateway
    lock_table,
    lock_row,
    look,
    lock_shared,
    second_look,
    write,
    commit,
    prepared,
    unlocked
  };
  struct Statement {
    enum class Kind { insert, update, remove, truncate };
    Kind kind = Kind::insert;
    std::int64_t account = 0;
    RowKey key;
    PaymentRow row;                // as it shall be
    std::vector<CohortId> judged;  // cohorts whose guards have a say; the last one is next
  };
  struct Plan {
    std::int64_t account;
    PaymentTable table;
  };

  void begin();
  bool has_flipped_since(const std::array<GuardState, kCohorts>& guards) const;
  void enter_gateway();
  void begin_transaction(Side side);
  void next_statement();
  void lock_table();
  void choose();
  std::int64_t next_number();
  bool choose_row(Statement& statement);
  PaymentRow drawn(const PaymentRow* before, std::int64_t account);
  void lock_row();
  void look();
  void lock_shared();
  void second_look();
  void write();
  void prepare();
  void end_prepared();
  void commit();
  void end_session(Side side);
  void judged();
  std::array<GuardState, kCohorts> guards_of(Side side) const;
  void wait();  // for somebody's lock, not for ever
  void refused(GuardMode mode);
  void roll_back();
  void become(Phase phase);
  GuardMode mode_now(CohortId cohort) const;
  std::int64_t account_at_home(Side side);

  Stage& stage_;
  std::optional<Side> direct_;
  Phase phase_ = Phase::idle;
  bool is_finishing_ = false;
  Instant sleeps_until_{};

  SideStore* store_ = nullptr;
  Xid xid_;
  std::array<std::array<NumberCache, kPaymentTables.size()>, 2> sessions_;  // by Side and table
  std::optional<Snapshot> snapshot_;                                        // REPEATABLE READ
  std::array<GuardState, kCohorts> guards_at_plan_, guards_at_begin_;
  bool has_overslept_ = false, was_stopped_ = false, meets_flip_ = false;
  std::vector<Plan> request_;  // of a client, until it is answered
  bool tries_again_ = false;
  std::vector<Plan> plans_;  // of the statements that are left
  Statement statement_;
  int waits_ = 0;
};

}  // namespace oxbow::sim
