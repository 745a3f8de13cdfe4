#include "sim/handover/writer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace oxbow::sim {
namespace {

constexpr int kWaitsMax = 40;  // then he gives up and rolls back

}  // namespace

void Writer::step() {
  if (stage_.now < sleeps_until_) return;
  bool is_broken = phase_ > Phase::kept && !store_->is_running(xid_);
  if (is_broken) {
    stage_.marks.hit("a server restart ends a writer's transaction");
    for (auto& session : sessions_) session.forget();
    tries_again_ = true;
    phase_ = Phase::idle;
  }
  switch (phase_) {
    case Phase::idle:
      return is_finishing_ ? void() : begin();
    case Phase::kept:
      return enter_gateway();
    case Phase::lock_table:
      if (stage_.installing) return wait();
      if (stage_.flaw != Flaw::table_lock_last) store_->lock_table(xid_);
      return next_statement();
    case Phase::lock_row:
      return lock_row();
    case Phase::look:
      return look();
    case Phase::lock_shared:
      return lock_shared();
    case Phase::second_look:
      return second_look();
    case Phase::write:
      return write();
    case Phase::commit:
    case Phase::unlocked:
      return commit();
  }
}

void Writer::finish() {
  is_finishing_ = true;
  sleeps_until_ = {};
  if (phase_ == Phase::kept) phase_ = Phase::idle;
}

// Between any two steps he may be slow, or stopped.
void Writer::become(Phase phase) {
  phase_ = phase;
  waits_ = 0;
  if (is_finishing_) return;
  auto& random = stage_.random;
  auto pause = std::chrono::milliseconds(random.below(3));
  if (random.chance(0.02)) pause = std::chrono::milliseconds(random.below(150));
  if (random.chance(stage_.stop_chance)) {
    stage_.marks.hit("a writer is stopped in his transaction");
    pause = std::chrono::milliseconds(300 + random.below(3000));
  }
  sleeps_until_ = stage_.now + pause;
}

// Mostly of a cohort that is at home there, as far as he knows.
std::int64_t Writer::account_at_home(Side side) {
  for (int tries = 0;; ++tries) {
    auto account = static_cast<std::int64_t>(stage_.random.below(kAccounts));
    if (stage_.journal[cohort_of_account(account)].home == side || tries == 2) return account;
  }
}

void Writer::begin() {
  auto& random = stage_.random;
  if (!random.chance(0.3)) return;
  accounts_.clear();
  if (!direct_) {
    if (!tries_again_)
      request_.assign(1 + random.below(2), static_cast<std::int64_t>(random.below(kAccounts)));
    accounts_ = request_;
    phase_ = Phase::kept;
    return enter_gateway();
  }
  auto statements = 1 + random.below(3);
  auto account = account_at_home(*direct_);
  for (std::uint64_t i = 0; i < statements; ++i)
    accounts_.push_back(random.chance(0.6) ? account : account_at_home(*direct_));
  begin_transaction(*direct_);
}

void Writer::enter_gateway() {
  if (!stage_.gateway.is_alive()) {
    stage_.marks.hit("a gateway that died broke writes off that it had not begun");
    tries_again_ = true;
    phase_ = Phase::idle;
    return;
  }
  auto cohort = cohort_of_account(accounts_.front());
  auto side = stage_.gateway.route(cohort);
  if (!side) return stage_.marks.hit("the gateway keeps a write");
  if (!admits(stage_.store(*side).guards.mode(cohort)))
    stage_.ledger.wrong(fmt::format("the gateway sends a write to {}, where it is refused", name(*side)));
  begin_transaction(*side);
}

void Writer::begin_transaction(Side side) {
  store_ = &stage_.store(side);
  if (stage_.random.chance(stage_.session_ends_chance)) sessions_[static_cast<std::size_t>(side)].forget();
  xid_ = store_->begin();
  snapshot_.reset();
  if (direct_ && stage_.random.chance(0.4)) snapshot_ = store_->snapshot();
  for (std::uint32_t i = 0; i < kCohorts; ++i) guards_at_begin_[i] = store_->guards.state(CohortId(i));
  become(Phase::lock_table);
}

void Writer::next_statement() {
  if (accounts_.empty()) return become(Phase::commit);
  auto& random = stage_.random;
  statement_ = {};
  statement_.account = accounts_.back();
  accounts_.pop_back();
  auto cohort = cohort_of_account(statement_.account);
  if (!random.chance(0.35) && choose_row(statement_)) {
    const auto& before = store_->rows().at(statement_.number);
    bool moves = random.chance(0.2);
    auto account = moves ? account_at_home(store_->side()) : before.account;
    if (statement_.kind == Statement::Kind::update) statement_.payment = drawn(&before, account);
    statement_.judged = {cohort};
    if (cohort_of_account(account) != cohort)
      statement_.judged.insert(statement_.judged.begin(), cohort_of_account(account));
    return become(Phase::lock_row);
  }
  statement_.number = next_number();
  statement_.payment = drawn(nullptr, statement_.account);
  statement_.judged = {cohort};
  become(Phase::look);
}

// From the session's cache, or by hand.
std::int64_t Writer::next_number() {
  auto& random = stage_.random;
  if (random.chance(0.002)) {
    stage_.marks.hit("ten thousand numbers are rolled back");
    for (int i = 0; i < 200; ++i) store_->numbers.take();
  }
  if (!random.chance(0.01)) return sessions_[static_cast<std::size_t>(store_->side())].next(store_->numbers);
  stage_.marks.hit("a row is numbered by hand");
  auto largest = store_->rows().empty() ? 0 : store_->rows().rbegin()->first;
  return std::max(largest, store_->numbers.last_given().value_or(0)) + 1'000'000 +
         static_cast<std::int64_t>(random.below(1000));
}

bool Writer::choose_row(Statement& statement) {
  std::vector<std::int64_t> numbers;
  for (const auto& [number, row] : store_->rows())
    if (row.account == statement.account) numbers.push_back(number);
  if (numbers.empty()) return false;
  statement.number = numbers[stage_.random.below(numbers.size())];
  statement.kind = stage_.random.chance(0.25) ? Statement::Kind::remove : Statement::Kind::update;
  return true;
}

Payment Writer::drawn(const Payment* before, std::int64_t account) {
  auto& random = stage_.random;
  Payment payment{
      .account = account, .amount = static_cast<std::int64_t>(random.below(1000)), .code = 0, .note = {}};
  if (store_->side() == Side::new_side) payment.amount *= 100;
  if (store_->side() == Side::new_side && random.chance(stage_.odd_amount_chance)) payment.amount += 1;
  if (random.chance(0.5)) payment.code = 1 + static_cast<std::int64_t>(random.below(stage_.codes));
  bool same_note = before && random.chance(0.4);
  payment.note = same_note ? before->note : fmt::format("note {}", stage_.random.below(1u << 30));
  return payment;
}

void Writer::wait() {
  if (++waits_ > kWaitsMax) roll_back();
}

void Writer::lock_row() {
  if (store_->lock_row(xid_, statement_.number) != SideStore::Written::done) return wait();
  if (snapshot_ && !store_->newest_is_seen(*snapshot_, statement_.number)) {
    stage_.marks.hit("REPEATABLE READ meets a row that is newer than its snapshot");
    return roll_back();
  }
  auto row = store_->read(xid_, statement_.number);
  bool is_the_chosen_one = row && cohort_of_account(row->account) == statement_.judged.back();
  if (!is_the_chosen_one) return next_statement();
  become(Phase::look);
}

GuardMode Writer::mode_now(CohortId cohort) const {
  if (stage_.flaw == Flaw::guard_in_snapshot && snapshot_) return guards_at_begin_[cohort.value()].mode;
  return store_->guards.mode(cohort);
}

void Writer::look() {
  auto cohort = statement_.judged.back();
  auto mode = mode_now(cohort);
  if (store_->guards.state(cohort).epoch > guards_at_begin_[cohort.value()].epoch &&
      guards_at_begin_[cohort.value()].epoch > 0)
    stage_.marks.hit("a transaction from before a flip goes on behind it");
  if (snapshot_ && !admits(mode) && admits(guards_at_begin_[cohort.value()].mode))
    stage_.marks.hit("REPEATABLE READ meets a guard that is newer than its snapshot");
  if (!admits(mode)) return refused(mode);
  if (mode == GuardMode::near) return become(Phase::lock_shared);
  judged();
}

void Writer::lock_shared() {
  if (!store_->try_lock_shared(xid_, statement_.judged.back())) {
    stage_.marks.hit("a writer meets a drain");
    return refused(GuardMode::fenced);
  }
  become(Phase::second_look);
}

void Writer::second_look() {
  auto mode = mode_now(statement_.judged.back());
  if (!admits(mode)) stage_.marks.hit("a fence comes between a writer's two looks");
  if (!admits(mode) && stage_.flaw != Flaw::no_second_look) return refused(mode);
  judged();
}

void Writer::judged() {
  statement_.judged.pop_back();
  become(statement_.judged.empty() ? Phase::write : Phase::look);
}

void Writer::write() {
  using Kind = Statement::Kind;
  store_->lock_table(xid_);
  auto written = statement_.kind == Kind::insert ? store_->insert(xid_, statement_.number, statement_.payment)
                 : statement_.kind == Kind::update
                     ? store_->update(xid_, statement_.number, statement_.payment)
                     : store_->remove(xid_, statement_.number);
  if (written == SideStore::Written::must_wait) return wait();
  // Also if he rolls back: he may have told somebody of it.
  if (statement_.kind == Kind::insert) stage_.ledger.number_used(statement_.number, store_->side());
  if (written != SideStore::Written::done) return roll_back();
  next_statement();
}

void Writer::commit() {
  if (phase_ == Phase::commit && stage_.random.chance(0.1)) return roll_back();
  if (stage_.flaw == Flaw::unlocked_before_logged && phase_ == Phase::commit) {
    store_->unlock(xid_);
    return become(Phase::unlocked);
  }
  stage_.ledger.user_commits(*store_, xid_, stage_.journal);
  store_->commit(xid_);
  if (!direct_ && std::exchange(tries_again_, false))
    stage_.marks.hit("a client tries again and gets through");
  become(Phase::idle);
}

void Writer::refused(GuardMode mode) {
  stage_.marks.hit(mode == GuardMode::fenced ? "a writer is told to run his transaction again"
                                             : "a writer is told the new home");
  tries_again_ = true;
  roll_back();
}

void Writer::roll_back() {
  store_->roll_back(xid_);
  become(Phase::idle);
}

}  // namespace oxbow::sim
