// What must be true, kept apart from everything that is tested: which rows there are after every commit
// of a user, and which numbers were used. The first thing that is wrong is kept. One thread.
#pragma once

#include <map>
#include <set>
#include <string>

#include "sim/handover/journal.hpp"
#include "sim/handover/side_store.hpp"

namespace oxbow::sim {

class Ledger {
 public:
  explicit Ledger(const PaymentRows& legacy_rows);

  void number_used(RowKey key, Side side);
  bool is_used(RowKey key) const { return numbered_.contains(key); }

  // A user's commit, just before it is in the log: it is on the home of this moment, and what it changed
  // there was what everybody before had left behind.
  void user_commits(const SideStore& store, Xid xid, const Journal& journal);

  // Of everything written the home has the last state, and the other side its image, unless that waits in
  // quarantine there for a reason, or was written around a closed guard.
  void check_at_rest(const SideStore& legacy, const SideStore& new_side, const Journal& journal,
                     const std::set<RowKey>& rogue);

  void wrong(std::string what);
  const std::string& first_wrong() const { return wrong_; }

 private:
  struct Truth {
    Side side;  // where it was written last
    PaymentRow row;
  };
  const Truth* find(RowKey key) const;

  std::map<RowKey, Truth> rows_;
  std::set<RowKey> removed_, numbered_;
  std::string wrong_;
};

}  // namespace oxbow::sim
