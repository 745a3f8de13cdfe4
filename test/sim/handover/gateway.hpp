// Where clients write who do not go around: it knows the home of each cohort, and keeps writes of a cohort
// that changes hands. It dies with the plane; when it comes back it keeps what the journal has under way.
#pragma once

#include <array>
#include <optional>

#include "sim/handover/journal.hpp"

namespace oxbow::sim {

class Gateway {
 public:
  void start(const Journal& journal, bool forgets = false) {
    is_alive_ = true;
    for (std::uint32_t i = 0; i < kCohorts; ++i) {
      const auto& entry = journal[CohortId(i)];
      cohorts_[i] = {entry.home, entry.handover != JournalEntry::Handover::none && !forgets};
    }
  }
  void die() { is_alive_ = false; }

  bool is_alive() const { return is_alive_; }
  bool holds(CohortId cohort) const { return cohorts_[cohort.value()].is_held; }

  // Nothing: the write waits here.
  std::optional<Side> route(CohortId cohort) const {
    if (!is_alive_ || holds(cohort)) return std::nullopt;
    return cohorts_[cohort.value()].home;
  }

  void hold(CohortId cohort) { cohorts_[cohort.value()].is_held = true; }
  void release(CohortId cohort, Side home) { cohorts_[cohort.value()] = {home, false}; }

 private:
  struct Cohort {
    Side home = Side::legacy;
    bool is_held = false;
  };
  std::array<Cohort, kCohorts> cohorts_;
  bool is_alive_ = false;
};

}  // namespace oxbow::sim
