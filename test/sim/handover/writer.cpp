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
    break_off(store_->side());
  }
  switch (phase_) {
    case Phase::idle:
      return is_finishing_ ? void() : begin();
    case Phase::asleep:
      return begin_transaction(*direct_);
    case Phase::kept:
      return enter_gateway();
    case Phase::lock_table:
      return lock_table();
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
      return prepare();
    case Phase::prepared:
      return end_prepared();
    case Phase::unlocked:
      return commit();
  }
}

void Writer::break_off(Side side) {
  if (phase_ <= Phase::kept || store_->side() != side) return;
  for (auto each : {Side::legacy, Side::new_side}) end_session(each);
  tries_again_ = true;
  phase_ = Phase::idle;
}

void Writer::finish() {
  is_finishing_ = true;
  sleeps_until_ = {};
  if (phase_ <= Phase::kept) phase_ = Phase::idle;
}

// Between any two steps he may be slow, or stopped.
void Writer::become(Phase phase) {
  phase_ = phase;
  waits_ = 0;
  if (is_finishing_) return;
  auto& random = stage_.random;
  auto pause = std::chrono::milliseconds(random.below(3));
  if (random.chance(0.02)) pause = std::chrono::milliseconds(random.below(150));
  if (phase != Phase::idle && random.chance(stage_.stop_chance)) {
    stage_.marks.hit("a writer is stopped in his transaction");
    was_stopped_ = true;
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
  auto table = [&] { return random.chance(0.35) ? PaymentTable::lines : PaymentTable::payments; };
  plans_.clear();
  if (!direct_) {
    if (!tries_again_) {
      request_.clear();
      auto account = static_cast<std::int64_t>(random.below(kAccounts));
      for (auto left = 1 + random.below(2); left > 0; --left) request_.push_back({account, table()});
    }
    plans_ = request_;
    phase_ = Phase::kept;
    return enter_gateway();
  }
  auto account = account_at_home(*direct_);
  for (auto left = 1 + random.below(3); left > 0; --left)
    plans_.push_back({random.chance(0.6) ? account : account_at_home(*direct_), table()});
  guards_at_plan_ = guards_of(*direct_);
  has_overslept_ = random.chance(stage_.oversleep_chance);
  if (!has_overslept_) return begin_transaction(*direct_);
  phase_ = Phase::asleep;
  sleeps_until_ = stage_.now + std::chrono::milliseconds(300 + random.below(3000));
}

std::array<GuardState, kCohorts> Writer::guards_of(Side side) const {
  std::array<GuardState, kCohorts> guards;
  for (std::uint32_t i = 0; i < kCohorts; ++i) guards[i] = stage_.store(side).guards.state(CohortId(i));
  return guards;
}

void Writer::enter_gateway() {
  if (!stage_.gateway.is_alive()) {
    stage_.marks.hit("a gateway that died broke writes off that it had not begun");
    tries_again_ = true;
    phase_ = Phase::idle;
    return;
  }
  auto cohort = cohort_of_account(plans_.front().account);
  auto side = stage_.gateway.route(cohort);
  if (!side) return stage_.marks.hit("the gateway keeps a write");
  if (!admits(stage_.store(*side).guards.mode(cohort)))
    stage_.ledger.wrong(fmt::format("the gateway sends a write to {}, where it is refused", name(*side)));
  begin_transaction(*side);
}

void Writer::begin_transaction(Side side) {
  store_ = &stage_.store(side);
  if (stage_.random.chance(stage_.session_ends_chance)) end_session(side);
  xid_ = store_->begin();
  snapshot_.reset();
  if (direct_ && stage_.random.chance(0.4)) snapshot_ = store_->snapshot();
  guards_at_begin_ = guards_of(side);
  if (!direct_) guards_at_plan_ = guards_at_begin_;
  was_stopped_ = meets_flip_ = false;
  next_statement();
}

void Writer::next_statement() {
  if (plans_.empty()) return become(Phase::commit);
  statement_ = {};
  statement_.account = plans_.back().account;
  statement_.key.table = plans_.back().table;
  plans_.pop_back();
  if (direct_ && stage_.random.chance(stage_.truncate_chance)) statement_.kind = Statement::Kind::truncate;
  become(Phase::lock_table);
}

void Writer::lock_table() {
  if (stage_.queued_at == std::pair(store_->side(), statement_.key.table)) return wait();
  auto table = statement_.key.table;
  if (statement_.kind == Statement::Kind::truncate) {
    if (!store_->lock_whole_table(xid_, table)) return wait();
    bool asks_one = stage_.flaw == Flaw::truncate_judged_once;
    for (std::uint32_t i = asks_one ? 1 : kCohorts; i > 0; --i) statement_.judged.emplace_back(i - 1);
    return become(Phase::look);
  }
  if (stage_.flaw != Flaw::table_lock_last && !store_->lock_table(xid_, table)) return wait();
  choose();
}

void Writer::choose() {
  auto& random = stage_.random;
  auto cohort = cohort_of_account(statement_.account);
  if (!random.chance(0.35) && choose_row(statement_)) {
    const auto& before = store_->rows().at(statement_.key);
    bool moves = random.chance(0.2);
    auto account = moves ? account_at_home(store_->side()) : before.account;
    if (statement_.kind == Statement::Kind::update) statement_.row = drawn(&before, account);
    statement_.judged = {cohort};
    if (cohort_of_account(account) != cohort)
      statement_.judged.insert(statement_.judged.begin(), cohort_of_account(account));
    return become(Phase::lock_row);
  }
  statement_.key.number = next_number();
  statement_.row = drawn(nullptr, statement_.account);
  statement_.judged = {cohort};
  become(Phase::look);
}

// From the session's cache, or by hand.
std::int64_t Writer::next_number() {
  auto& random = stage_.random;
  auto table = statement_.key.table;
  auto& numbers = store_->numbers[index_of(table)];
  if (random.chance(0.002)) {
    stage_.marks.hit("ten thousand numbers are rolled back");
    for (int i = 0; i < 200; ++i) numbers.take();
  }
  if (!random.chance(0.01))
    return sessions_[static_cast<std::size_t>(store_->side())][index_of(table)].next(numbers);
  stage_.marks.hit("a row is numbered by hand");
  auto number = std::max(store_->largest_number(table), numbers.last_given().value_or(0)) + 1'000'000 +
                static_cast<std::int64_t>(random.below(1000));
  while (stage_.ledger.is_used({table, number})) ++number;  // also of a row that was rolled back
  return number;
}

bool Writer::choose_row(Statement& statement) {
  std::vector<RowKey> keys;
  for (const auto& [key, row] : store_->rows())
    if (key.table == statement.key.table && row.account == statement.account) keys.push_back(key);
  if (keys.empty()) return false;
  statement.key = keys[stage_.random.below(keys.size())];
  statement.kind = stage_.random.chance(0.25) ? Statement::Kind::remove : Statement::Kind::update;
  return true;
}

PaymentRow Writer::drawn(const PaymentRow* before, std::int64_t account) {
  auto& random = stage_.random;
  PaymentRow row{
      .account = account, .amount = static_cast<std::int64_t>(random.below(1000)), .code = 0, .note = {}};
  if (store_->side() == Side::new_side) row.amount *= 100;
  if (store_->side() == Side::new_side && random.chance(stage_.odd_amount_chance)) row.amount += 1;
  if (random.chance(0.5)) row.code = 1 + static_cast<std::int64_t>(random.below(stage_.codes));
  bool same_note = before && random.chance(0.4);
  row.note = same_note ? before->note : fmt::format("note {}", stage_.random.below(1u << 30));
  return row;
}

void Writer::wait() {
  if (++waits_ > kWaitsMax) roll_back();
}

void Writer::lock_row() {
  if (store_->lock_row(xid_, statement_.key) != SideStore::Written::done) return wait();
  if (snapshot_ && !store_->newest_is_seen(*snapshot_, statement_.key)) {
    stage_.marks.hit("REPEATABLE READ meets a row that is newer than its snapshot");
    return roll_back();
  }
  auto row = store_->read(xid_, statement_.key);
  bool is_the_chosen_one = row && cohort_of_account(row->account) == statement_.judged.back();
  if (!is_the_chosen_one) return next_statement();
  become(Phase::look);
}

GuardMode Writer::mode_now(CohortId cohort) const {
  if (!store_->guards.are_on(statement_.key.table)) return GuardMode::open;
  if (stage_.flaw == Flaw::guard_in_snapshot && snapshot_) return guards_at_begin_[cohort.value()].mode;
  if (stage_.flaw == Flaw::guard_remembered) return guards_at_plan_[cohort.value()].mode;
  return store_->guards.mode(cohort);
}

void Writer::look() {
  auto cohort = statement_.judged.back();
  auto mode = mode_now(cohort);
  if (has_flipped_since(guards_at_begin_)) {
    stage_.marks.hit("a transaction from before a flip goes on behind it");
    meets_flip_ = true;
  }
  if (snapshot_ && !admits(mode) && admits(guards_at_begin_[cohort.value()].mode))
    stage_.marks.hit("REPEATABLE READ meets a guard that is newer than its snapshot");
  bool truncates = statement_.kind == Statement::Kind::truncate;
  if (truncates && mode == GuardMode::closed)
    stage_.marks.hit("a TRUNCATE is refused: a cohort is not at home there");
  if (truncates && mode == GuardMode::near) stage_.marks.hit("a TRUNCATE meets a near guard");
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
  if (statement_.kind == Kind::truncate) {
    stage_.marks.hit("a TRUNCATE empties a table of its home");
    store_->truncate(xid_, statement_.key.table);
    return next_statement();
  }
  if (!store_->lock_table(xid_, statement_.key.table)) return wait();
  auto written = statement_.kind == Kind::insert   ? store_->insert(xid_, statement_.key, statement_.row)
                 : statement_.kind == Kind::update ? store_->update(xid_, statement_.key, statement_.row)
                                                   : store_->remove(xid_, statement_.key);
  if (written == SideStore::Written::must_wait) return wait();
  // Also if he rolls back: he may have told somebody of it.
  if (statement_.kind == Kind::insert) stage_.ledger.number_used(statement_.key, store_->side());
  if (written != SideStore::Written::done) return roll_back();
  bool brings_line = statement_.kind == Kind::insert && statement_.key.table == PaymentTable::payments;
  if (brings_line && stage_.random.chance(0.3)) plans_.push_back({statement_.account, PaymentTable::lines});
  next_statement();
}

// In two phases, or at once.
void Writer::prepare() {
  auto& random = stage_.random;
  if (random.chance(0.1)) return roll_back();
  if (stage_.flaw == Flaw::unlocked_before_logged) {
    store_->unlock(xid_);
    return become(Phase::unlocked);
  }
  if (is_finishing_ || !direct_ || !random.chance(stage_.prepare_chance)) return commit();
  stage_.marks.hit("a writer prepares his transaction");
  store_->prepare(xid_);
  end_session(store_->side());
  become(Phase::prepared);
  sleeps_until_ += std::chrono::milliseconds(random.below(random.chance(0.2) ? 1500 : 40));
}

void Writer::end_prepared() {
  bool goes_back = stage_.random.chance(0.3);
  stage_.marks.hit(goes_back ? "a prepared transaction is rolled back"
                             : "a prepared transaction is committed");
  if (goes_back) return roll_back();
  commit();
}

void Writer::commit() {
  if (store_->tables_of(xid_).size() == kPaymentTables.size())
    stage_.marks.hit("a transaction writes both tables");
  if (was_stopped_ && meets_flip_)
    stage_.marks.hit("a writer is stopped across a flip and commits on the new home");
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
  if (mode == GuardMode::closed && has_overslept_ && has_flipped_since(guards_at_plan_))
    stage_.marks.hit("a client sleeps through a flip, wakes up and is told the new home");
  if (mode == GuardMode::closed && was_stopped_ && has_flipped_since(guards_at_begin_))
    stage_.marks.hit("a writer is stopped across a flip, goes on and is told the new home");
  roll_back();
}

// Of the cohort whose guard is looked at.
bool Writer::has_flipped_since(const std::array<GuardState, kCohorts>& guards) const {
  auto cohort = statement_.judged.back();
  auto before = guards[cohort.value()].epoch;
  return before > 0 && store_->guards.state(cohort).epoch > before;
}

void Writer::end_session(Side side) {
  for (auto& numbers : sessions_[static_cast<std::size_t>(side)]) numbers.forget();
}

void Writer::roll_back() {
  store_->roll_back(xid_);
  become(Phase::idle);
}

}  // namespace oxbow::sim
