// Everything that writers, plane and troubles act upon, and nothing that acts. One thread.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "model/side.hpp"
#include "sim/handover/flaw.hpp"
#include "sim/handover/gateway.hpp"
#include "sim/handover/journal.hpp"
#include "sim/handover/ledger.hpp"
#include "sim/handover/side_store.hpp"
#include "sim/handover/stream.hpp"
#include "sim/marks.hpp"

namespace oxbow::sim {

struct Stage {
  Stage(std::uint64_t seed, Flaw flaw_of_run, PaymentRows legacy_rows, PaymentRows new_rows)
      : flaw(flaw_of_run),
        random(seed),
        odd_amount_chance(std::array{0.0, 0.0, 0.02, 0.1}[random.below(4)]),
        codes(std::array{12u, 60u, 60u, 1'000'000u}[random.below(4)]),
        stop_chance(std::array{0.0, 0.001, 0.004, 0.008}[random.below(4)]),
        oversleep_chance(std::array{0.0, 0.005, 0.03}[random.below(3)]),
        prepare_chance(std::array{0.0, 0.02, 0.1}[random.below(3)]),
        truncate_chance(std::array{0.0, 0.0, 0.01, 0.05}[random.below(4)]),
        session_ends_chance(random.chance(0.3) ? 0.4 : 0.05),
        legacy(Side::legacy, legacy_rows),
        new_side(Side::new_side, std::move(new_rows)),
        streams{Stream(Course::there, legacy, new_side, flaw, random.split(), marks),
                Stream(Course::back, new_side, legacy, flaw, random.split(), marks)},
        ledger(legacy_rows) {}

  SideStore& store(Side side) { return side == Side::legacy ? legacy : new_side; }
  Stream& stream_to(Side side) { return streams[side == Side::legacy ? 1 : 0]; }
  bool is_cut_off(Side side) const { return now < cut_off_until[static_cast<std::size_t>(side)]; }

  // The plane's network to one of the servers: some streams break off and begin again, others hang.
  void cut_off(Side side) {
    marks.hit(side == Side::legacy ? "the plane is cut off from legacy"
                                   : "the plane is cut off from the new side");
    cut_off_until[static_cast<std::size_t>(side)] = now + std::chrono::milliseconds(random.below(100));
    for (auto& stream : streams) {
      if (!stream.is_running() || random.chance(0.5)) continue;
      marks.hit("a cut breaks a stream off");
      stream.stop();
      stream.start();
    }
  }

  // An order to a guard whose session has broken off, and which is still on its way.
  struct LateOrder {
    Instant arrives;
    Side side;
    CohortId cohort;
    GuardState state;
  };

  Flaw flaw;
  Random random;
  double odd_amount_chance;    // that legacy cannot represent
  std::uint64_t codes;         // that writers use
  double stop_chance;          // of a writer, between two steps
  double oversleep_chance;     // of somebody who was about to write
  double prepare_chance;       // of a transaction, before its end
  double truncate_chance;      // instead of any other statement
  double session_ends_chance;  // before a transaction
  Marks marks;
  Instant now{};
  SideStore legacy, new_side;
  std::array<Stream, 2> streams;
  Gateway gateway;
  Journal journal;
  Ledger ledger;
  std::vector<LateOrder> late_orders;
  std::array<Instant, 2> cut_off_until{};                  // by Side: the plane cannot reach it
  std::set<RowKey> rogue;                                  // rows that somebody wrote around a closed guard
  std::optional<std::pair<Side, PaymentTable>> queued_at;  // for the guards: nobody gets that table's lock
};

}  // namespace oxbow::sim
