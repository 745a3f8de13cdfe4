#include "sim/handover/handover_simulation.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <vector>

#include "sim/handover/lost_commits.hpp"
#include "sim/handover/plane.hpp"
#include "sim/handover/writer.hpp"

namespace oxbow::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kRowsAtFirst = 12;  // of each table
constexpr int kStepsAtRestMax = 200'000;
constexpr Duration kBeatEvery = 50ms;

PaymentRows rows_at_first() {
  PaymentRows rows;
  for (auto table : kPaymentTables)
    for (std::int64_t number = 1; number <= kRowsAtFirst; ++number)
      rows[{table, number}] = {number % kAccounts, number, 0, fmt::format("note of {}", number)};
  return rows;
}

PaymentRows images_of(const PaymentRows& legacy) {
  PaymentRows images;
  for (const auto& [key, row] : legacy) images[key] = *image(row, Side::legacy, Side::new_side);
  return images;
}

std::vector<CohortId> all_cohorts() {
  std::vector<CohortId> cohorts;
  for (std::uint32_t i = 0; i < kCohorts; ++i) cohorts.emplace_back(i);
  return cohorts;
}

class HandoverSimulation {
 public:
  explicit HandoverSimulation(const HandoverOptions& options)
      : steps_(options.steps),
        stage_(options.seed, options.flaw, rows_at_first(), images_of(rows_at_first())),
        trouble_chance_(std::array{0.0, 0.01, 0.04}[stage_.random.below(3)]),
        dies_(stage_.random.chance(0.6)),
        handovers_per_mille_(stage_.random.chance(0.3) ? 3 : 30),
        retries_(stage_.random.chance(0.5)),
        goes_around_(stage_.random.chance(0.2)),
        forgets_(stage_.random.chance(0.15)),
        is_slow_{stage_.random.chance(0.25), stage_.random.chance(0.25)},
        plane_(stage_,
               {.prepare_max = std::chrono::milliseconds(200 + stage_.random.below(2000)),
                .pause_max = std::chrono::milliseconds(100 + stage_.random.below(900))},
               trouble_chance_) {
    for (auto& numbers : stage_.legacy.numbers) numbers.advance(kRowsAtFirst + 1);
    stage_.streams[0].create(all_cohorts());
    plane_.start();
    for (auto direct :
         {std::optional(Side::legacy), std::optional(Side::legacy), std::optional(Side::new_side),
          std::optional(Side::new_side), std::optional<Side>(), std::optional<Side>()})
      writers_.emplace_back(stage_, direct);
  }

  Outcome run() {
    bool is_over = false;
    for (int i = 0; i < steps_ && !failed() && !is_over; ++i) {
      step();
      is_over = lost_.have_happened() && lost_.look();
    }
    // A server that has forgotten commits brings nothing to rest any more.
    if (!lost_.have_happened()) come_to_rest();
    if (!lost_.have_happened() && !failed()) check_at_rest();
    return {failure_of(), std::move(stage_.marks)};
  }

 private:
  Random& random() { return stage_.random; }

  std::string failure_of() const {
    if (lost_.have_happened()) return lost_.wrong();
    for (const auto& stream : stage_.streams)
      if (!stream.failure().empty()) return stream.failure();
    return stage_.ledger.first_wrong();
  }
  bool failed() const { return !failure_of().empty(); }

  void step() {
    auto dice = random().below(1000);
    if (dice < 10) {
      if (retries_) stage_.streams[random().below(2)].retry_any();
    } else if (dice < 12) {
      cause_trouble();
    } else if (dice < 13) {
      if (random().chance(0.3)) plane_.call_one_back();
    } else if (dice < 13 + handovers_per_mille_) {
      begin_handover();
    } else {
      step_calmly();
    }
    if (stage_.now - last_beat_ > kBeatEvery) beat();
    if (lost_.have_happened() && plane_.is_alive() && random().chance(0.005)) kill_plane();
    if (forgets_) forget();
    if (!plane_.is_alive() && stage_.now >= comes_back_) plane_.start();
  }

  // What happens without anybody's ill will.
  void step_calmly() {
    stage_.now += std::chrono::microseconds(random().below(600));
    auto dice = random().below(100);
    if (dice < 45) {
      step_writer();
    } else if (dice < 65) {
      step_stream();
    } else if (dice < 75) {
      (random().chance(0.5) ? stage_.legacy : stage_.new_side).make_one_visible(random());
    } else {
      plane_.step_handovers();
    }
    deliver_late_orders();
    check_guards();
  }

  // Before there are guards, users do not write on the new side.
  void step_writer() {
    auto at = random().below(writers_.size());
    bool is_on_new_side = at == 2 || at == 3;
    if (is_on_new_side && !stage_.new_side.guards.are_installed()) return;
    writers_[at].step();
  }

  void step_stream() {
    auto which = random().below(2);
    auto& stream = stage_.streams[which];
    if (is_slow_[which] && !comes_to_rest_ && random().chance(0.85)) return;
    if (!stage_.is_cut_off(Side::legacy) && !stage_.is_cut_off(Side::new_side)) stream.step(stage_.now);
  }

  void begin_handover() {
    if (!plane_.is_alive() || plane_.handovers().size() >= 2) return;
    CohortId cohort(static_cast<std::uint32_t>(random().below(kCohorts)));
    if (spoilt_.contains(cohort)) return;
    plane_.begin_handover(cohort);
    std::size_t on_new_side = 0;
    for (auto each : all_cohorts())
      if (stage_.journal[each].home == Side::new_side) ++on_new_side;
    if (on_new_side > 0 && on_new_side < kCohorts) stage_.marks.hit("both directions live");
    if (plane_.handovers().size() == 2) stage_.marks.hit("two cohorts change hands at once");
  }

  void cause_trouble() {
    auto dice = random().below(16);
    if (dice >= 14) {
      if (goes_around_) write_around_guard();
    } else if (dice < 4) {
      if (dies_ && plane_.is_alive()) kill_plane();
    } else if (dice < 5) {
      restart_server(random().chance(0.5) ? Side::legacy : Side::new_side);
    } else if (dice < 6) {
      if (trouble_chance_ > 0) stage_.cut_off(random().chance(0.5) ? Side::legacy : Side::new_side);
    } else {
      if (random().chance(0.4)) forget_last_order();
    }
  }

  // With a role for which triggers do not fire, on a side that is closed. It is found and reported; until it
  // is mended nobody hands that cohort over.
  void write_around_guard() {
    auto& store = random().chance(0.5) ? stage_.legacy : stage_.new_side;
    if (!store.guards.are_installed() || store.rows().empty()) return;
    auto at =
        std::next(store.rows().begin(), static_cast<std::ptrdiff_t>(random().below(store.rows().size())));
    auto [key, row] = *at;
    auto cohort = cohort_of_account(row.account);
    const auto& entry = stage_.journal[cohort];
    bool is_quiet = entry.handover == JournalEntry::Handover::none && entry.home != store.side() &&
                    store.guards.mode(cohort) == GuardMode::closed;
    if (!is_quiet) return;
    row.note = "around the guard";
    auto xid = store.begin();
    if (!store.lock_table(xid, key.table)) return store.roll_back(xid);
    if (store.update(xid, key, row) != SideStore::Written::done) return store.roll_back(xid);
    store.commit(xid);
    stage_.marks.hit("a write goes around a closed guard");
    stage_.rogue.insert(key);
    spoilt_.insert(cohort);
  }

  void kill_plane() {
    plane_.crash();
    comes_back_ = stage_.now + std::chrono::milliseconds(random().below(60));
  }

  void restart_server(Side side) {
    stage_.marks.hit("a server restarts");
    auto& store = stage_.store(side);
    auto writers = store.writers();
    if (std::ranges::any_of(writers, [&](Xid xid) { return store.is_prepared(xid); }))
      stage_.marks.hit("a prepared transaction outlives a restart of its server");
    store.restart();
    plane_.server_restarted(side);
  }

  void beat() {
    last_beat_ = stage_.now;
    for (auto& stream : stage_.streams)
      if (!stage_.is_cut_off(stream.source().side())) stream.beat();
  }

  // Some servers come back soon behind their backup, when no beat tells, others late.
  void forget() {
    if (lost_.have_happened()) return;
    if (random().chance(0.002)) {
      lost_.back_up(random().chance(0.5) ? Side::legacy : Side::new_side);
      comes_back_soon_ = random().chance(0.5);
    }
    auto side = lost_.backed_up();
    if (!side || !random().chance(comes_back_soon_ ? 0.02 : 0.001)) return;
    if (!lost_.would_be_noticed(plane_.is_alive())) return;
    for (auto& writer : writers_) writer.break_off(*side);
    for (auto& stream : stage_.streams) stream.stop();
    lost_.come_back();
    if (!plane_.is_alive()) return;
    for (auto& stream : stage_.streams)
      if (stream.exists()) stream.start();
  }

  // Beyond the confirmation nothing tells but the new epoch; the protocol's page says what that means.
  void forget_last_order() {
    for (const auto& handover : plane_.handovers()) {
      auto cohort = handover.cohort();
      auto& store = stage_.store(stage_.journal[cohort].home);
      if (!handover.is_before_flip() || handover.has_confirmed_fence()) continue;
      auto mode = store.guards.mode(cohort);
      if (mode != GuardMode::near && mode != GuardMode::fenced) continue;
      stage_.marks.hit(mode == GuardMode::near ? "a server comes back without the announcement"
                                               : "a server comes back without the fence");
      store.restart();
      store.guards.forget_last_order(cohort);
      plane_.server_restarted(store.side());
      return;
    }
  }

  void deliver_late_orders() {
    std::erase_if(stage_.late_orders, [&](const Stage::LateOrder& late) {
      if (stage_.now < late.arrives) return false;
      bool obeyed = stage_.store(late.side).guards.obey(late.cohort, late.state, stage_.flaw);
      stage_.marks.hit(obeyed ? "late order carried out" : "late order refused");
      return true;
    });
  }

  // Whoever admits writes is the home, and nobody's epoch falls.
  void check_guards() {
    for (auto* store : {&stage_.legacy, &stage_.new_side}) {
      if (!store->guards.are_made()) continue;
      auto& epochs = epochs_[static_cast<std::size_t>(store->side())];
      for (auto cohort : all_cohorts()) {
        auto state = store->guards.state(cohort);
        const auto& entry = stage_.journal[cohort];
        if (admits(state.mode) && entry.home != store->side())
          stage_.ledger.wrong(fmt::format("{} admits writes of cohort {}, and is not its home",
                                          name(store->side()), cohort.value()));
        if (state.epoch < epochs[cohort.value()])
          stage_.ledger.wrong(
              fmt::format("the epoch of cohort {} falls on {}", cohort.value(), name(store->side())));
        epochs[cohort.value()] = state.epoch;
      }
    }
  }

  // No more troubles, no new transactions and no new handovers: everything must end.
  void come_to_rest() {
    comes_to_rest_ = true;
    plane_.calm_down();
    stage_.cut_off_until = {};
    for (auto& writer : writers_) writer.finish();
    if (!plane_.is_alive()) plane_.start();
    for (int i = 0; i < kStepsAtRestMax && !failed(); ++i) {
      step_calmly();
      if (i % 100 == 0) {
        stage_.legacy.make_all_visible();
        stage_.new_side.make_all_visible();
      }
      bool writers_rest = std::ranges::all_of(writers_, &Writer::is_idle);
      bool streams_rest = std::ranges::all_of(
          stage_.streams, [](const Stream& stream) { return !stream.is_running() || stream.is_idle(); });
      if (!writers_rest || !streams_rest || !plane_.handovers().empty() || !stage_.late_orders.empty())
        continue;
      if (has_retried_all()) return;
    }
    stage_.ledger.wrong("it does not come to rest");
  }

  // Who could be placed may make room for another: over when a whole round has changed nothing.
  bool has_retried_all() {
    if (round_.empty()) {
      auto waiting = all_quarantined();
      if (waiting.empty() || waiting == last_round_) return true;
      last_round_ = round_ = std::move(waiting);
    }
    auto [stream, key] = round_.back();
    round_.pop_back();
    stage_.streams[stream].retry(key);
    return false;
  }

  using Waiting = std::vector<std::pair<std::size_t, RowKey>>;  // by stream
  Waiting all_quarantined() const {
    Waiting waiting;
    for (std::size_t i = 0; i < 2; ++i)
      for (auto key : stage_.streams[i].quarantined()) waiting.emplace_back(i, key);
    return waiting;
  }

  void check_at_rest() {
    for (auto cohort : all_cohorts()) {
      const auto& entry = stage_.journal[cohort];
      if (stage_.gateway.holds(cohort)) stage_.ledger.wrong("the gateway still keeps writes");
      if (!stage_.store(entry.home).guards.are_installed()) continue;
      auto here = stage_.store(entry.home).guards.mode(cohort);
      auto there = stage_.store(other(entry.home)).guards.mode(cohort);
      if (here != GuardMode::open)
        stage_.ledger.wrong(fmt::format("cohort {} is {} at home", cohort.value(), name(here)));
      bool may_be_open = !stage_.store(other(entry.home)).guards.are_installed();
      if (there != GuardMode::closed && !may_be_open)
        stage_.ledger.wrong(fmt::format("cohort {} is {} on the other side", cohort.value(), name(there)));
    }
    stage_.ledger.check_at_rest(stage_.legacy, stage_.new_side, stage_.journal, stage_.rogue);
  }

  int steps_;
  Stage stage_;
  double trouble_chance_;
  bool dies_;
  std::uint64_t handovers_per_mille_;
  bool retries_;                 // rows in quarantine are read again before everything rests
  bool goes_around_;             // somebody writes around guards
  bool forgets_;                 // a server comes back without its last transactions
  std::array<bool, 2> is_slow_;  // a stream is far behind
  bool comes_to_rest_ = false;
  std::set<CohortId> spoilt_;
  Plane plane_;
  std::vector<Writer> writers_;
  LostCommits lost_{stage_};
  bool comes_back_soon_ = false;
  Instant last_beat_{};
  Waiting round_, last_round_;  // of rows that are read again at rest
  Instant comes_back_{};
  std::array<std::array<std::uint64_t, kCohorts>, 2> epochs_{};
};

}  // namespace

Outcome simulate_handovers(const HandoverOptions& options) {
  return HandoverSimulation(options).run();
}

}  // namespace oxbow::sim
