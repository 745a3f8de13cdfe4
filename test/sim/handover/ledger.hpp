// What must be true, kept apart from everything that is tested: which payments there are after every commit
// of a user, and which numbers were used. The first thing that is wrong is kept. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "sim/handover/journal.hpp"
#include "sim/handover/side_store.hpp"

namespace oxbow::sim {

class Ledger {
 public:
  explicit Ledger(const Payments& legacy_rows);

  void number_used(std::int64_t number, Side side);

  // A user's commit, just before it is in the log: it is on the home of this moment, and what it changed
  // there was what everybody before had left behind.
  void user_commits(const SideStore& store, Xid xid, const Journal& journal);

  // Of everything written the home has the last state, and the other side its image, unless that waits in
  // quarantine there for a reason, or was written around a closed guard.
  void check_at_rest(const SideStore& legacy, const SideStore& new_side, const Journal& journal,
                     const std::set<std::int64_t>& rogue);

  void wrong(std::string what);
  const std::string& first_wrong() const { return wrong_; }

 private:
  struct Truth {
    Side side;  // where it was written last
    Payment payment;
  };
  const Truth* find(std::int64_t number) const;

  std::map<std::int64_t, Truth> payments_;
  std::set<std::int64_t> removed_;
  std::set<std::int64_t> numbers_;
  std::string wrong_;
};

}  // namespace oxbow::sim
