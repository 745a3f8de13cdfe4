// Somebody who writes payments in transactions of several statements, with pauses between any two steps, and
// now and then one that is stopped for long. He writes on one side, around the gateway, or where the gateway
// sends him. He obeys the guards as their triggers do: the table's lock first, then the row's, then a look at
// the guard, at a near guard the shared lock and a second look. One thread, driven by the simulation.
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
  void finish();  // ends what he has begun, begins nothing more
  bool is_idle() const { return phase_ == Phase::idle; }

 private:
  enum class Phase {
    idle,
    kept,  // by the gateway
    lock_table,
    lock_row,
    look,
    lock_shared,
    second_look,
    write,
    commit,
    unlocked
  };
  struct Statement {
    enum class Kind { insert, update, remove };
    Kind kind = Kind::insert;
    std::int64_t account = 0;
    std::int64_t number = 0;
    Payment payment;               // as it shall be
    std::vector<CohortId> judged;  // cohorts whose guards have a say; the last one is next
  };

  void begin();
  void enter_gateway();
  void begin_transaction(Side side);
  void next_statement();
  std::int64_t next_number();
  bool choose_row(Statement& statement);
  Payment drawn(const Payment* before, std::int64_t account);
  void lock_row();
  void look();
  void lock_shared();
  void second_look();
  void write();
  void commit();
  void judged();
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
  std::array<NumberCache, 2> sessions_;  // by Side
  std::optional<Snapshot> snapshot_;     // REPEATABLE READ
  std::array<GuardState, kCohorts> guards_at_begin_;
  std::vector<std::int64_t> request_;  // of a client, until it is answered
  bool tries_again_ = false;
  std::vector<std::int64_t> accounts_;  // of the statements that are left
  Statement statement_;
  int waits_ = 0;
};

}  // namespace oxbow::sim
