// What the plane writes down of each cohort; after a crash only this counts.
#pragma once

#include <array>
#include <cstdint>

#include "model/cohort.hpp"
#include "model/side.hpp"
#include "sim/handover/payment.hpp"

namespace oxbow::sim {

struct JournalEntry {
  enum class Handover { none, begun, flipped };

  Side home = Side::legacy;
  std::uint64_t epoch = 1;
  Handover handover = Handover::none;
  std::uint64_t attempt = 0;  // of the last handover
};

class Journal {
 public:
  JournalEntry& operator[](CohortId cohort) { return entries_[cohort.value()]; }
  const JournalEntry& operator[](CohortId cohort) const { return entries_[cohort.value()]; }

 private:
  std::array<JournalEntry, kCohorts> entries_;
};

}  // namespace oxbow::sim
