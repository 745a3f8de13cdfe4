#include "sim/simulation.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/random.hpp"
#include "flow/apply/applier.hpp"
#include "flow/backfill/range_copy.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"
#include "sim/source_store.hpp"
#include "sim/target_store.hpp"
#include "support/one_table.hpp"

namespace oxbow::sim {
namespace {

constexpr std::int64_t kKeyCount = 40;
constexpr int kRangeCount = 5;

KeyBound bound(std::int64_t key) {
  return {test::key_of(key), {std::to_string(key)}};
}

std::int64_t key_of(const KeyBound& bound, std::int64_t unbounded) {
  return bound.tuple.empty() ? unbounded
                             : read_big_endian<std::int64_t>(field_at(bound.tuple, 0).bytes.data());
}

class Simulation {
 public:
  explicit Simulation(const Options& options)
      : bug_(options.bug),
        steps_(options.steps),
        random_(options.seed),
        unique_values_(random_.chance(0.5)),
        refuses_(!unique_values_ && random_.chance(0.5)),
        constraint_(refuses_),
        log_is_slow_(random_.chance(0.4)),
        mapping_(test::one_table_mapping(unique_values_)),
        cohorts_(test::one_cohort()),
        source_(initial_rows()),
        target_(unique_values_) {
    for (int i = 0; i < kRangeCount; ++i) {
      RangeRecord record{.id = RangeId(static_cast<std::uint64_t>(i) + 1), .table = 0, .job = 0};
      if (i > 0) record.range.lower = bound(kKeyCount / kRangeCount * i);
      if (i + 1 < kRangeCount) record.range.upper = bound(kKeyCount / kRangeCount * (i + 1));
      target_.save(record);
    }
    start();
  }

  Outcome run() {
    for (int i = 0; i < steps_ && !failed(); ++i) step();
    quiesce();
    if (!failed() && target_.stored().rows != source_.rows()) failure_ = difference();
    if (!failed() && !target_.anomalies().empty()) failure_ = target_.anomalies().front();
    return {failure_, marks_};
  }

 private:
  struct Copier {
    enum class Phase { snapshot, position, read, close, commit };
    RangeCopy copy;
    RangeId range;
    Phase phase = Phase::snapshot;
    Snapshot snapshot;
    std::uint64_t proofs_before = 0;
    Rows rows;
    TargetStore::Transaction transaction;
  };

  Rows initial_rows() {
    Rows rows;
    for (std::int64_t key = 0; key < kKeyCount; key += 2) rows[key] = {key, "large " + std::to_string(key)};
    return rows;
  }

  bool failed() const { return !failure_.empty(); }

  // What a new process does: it knows only what the target has stored.
  void start() {
    Protections protections{.fence_by_snapshot = bug_ != Bug::plain_watermark,
                            .remember_skipped = bug_ != Bug::forgotten_skipped,
                            .close_behind_snapshot = bug_ != Bug::closed_ahead};
    ApplyLimits limits{.batch_rows_max = 1 + random_.below(4),
                       .group_rows_max = 1 + random_.below(30),
                       .held_bytes_max = random_.chance(0.3) ? 400u : 1u << 20};
    copiers_.clear();
    group_.reset();
    applier_ = std::make_unique<Applier>(std::vector{MirroredTable{&mapping_, &cohorts_, false}}, limits,
                                         protections);
    const auto& stored = target_.stored();
    auto position = stored.position.value_or(StreamPosition{});
    std::vector<QuarantineRecord> quarantine;
    for (const auto& [key, record] : stored.quarantine) quarantine.push_back(record);
    applier_->restore(position, quarantine);
    std::vector<RangeRecord> job;
    for (const auto& [id, record] : stored.ranges) {
      applier_->reserve_range_ids(id);
      if (!record.range.is_point()) {
        job.push_back(record);
      } else if (record.phase != RangePhase::settled) {
        applier_->fences(0).add_point(record, record.range.lower.tuple, position.unproven);
      }
    }
    applier_->fences(0).add_job(0, {CohortId(0)}, job, position.unproven);
    prove();
    feed(test::one_table_relation());

    // The server sends again what was not confirmed; how much that is, is up to it.
    next_transaction_ = 0;
    while (next_transaction_ < source_.log().size() && source_.log()[next_transaction_].end_lsn <= confirmed_)
      ++next_transaction_;
    incoming_.clear();
  }

  void step() {
    now_ += std::chrono::milliseconds(random_.below(20));
    if (random_.chance(0.002)) {
      marks_.hit("clock jumped");
      now_ += std::chrono::hours(5);
    }
    if (refuses_ && random_.chance(0.01)) constraint_ = !constraint_;
    if (refuses_ && random_.chance(0.03)) retry_one();
    auto dice = random_.below(100);
    if (dice < 25) return source_.run_transaction(random_, kKeyCount, random_.chance(0.02) && !reading());
    if (dice < 40) return source_.make_one_visible(random_);
    if (dice < 70) return log_is_slow_ && random_.chance(0.8) ? void() : deliver();
    if (dice < 95) return step_copier();
    if (dice < 97) return prove();
    if (dice < 99) return keep_house();
    if (random_.chance(0.7)) crash("");
  }

  void prove() {
    ++proofs_;
    applier_->prove(source_.snapshot());
  }

  void crash(const char* situation) {
    if (*situation != 0) marks_.hit(situation);
    if (group_) marks_.hit("crash with a group open");
    if (!copiers_.empty()) marks_.hit("crash with a range opening");
    if (a_range_is_closing()) marks_.hit("crash between close and commit of a range");
    crashed_ = true;
    start();
  }

  void feed(const LogEvent& event) {
    auto fed = applier_->on_event(event, now_);
    if (!fed) failure_ = "the applier refuses an event: " + to_string(fed.error());
  }

  void deliver() {
    if (a_range_is_closing()) return;
    auto events = 1 + random_.below(10);
    for (std::uint64_t i = 0; i < events && !failed() && has_incoming(); ++i) {
      auto event = std::move(incoming_.front());
      incoming_.pop_front();
      observe(event);
      feed(event);
      if (applier_->wants_write()) {
        if (!applier_->between_transactions()) marks_.hit("transaction written in several batches");
        write_batch();
      }
      if (applier_->group_is_due(now_, false) && commit_group()) return;
    }
    bool log_is_idle = is_delivered() && random_.chance(0.5);
    if (!failed() && applier_->group_is_due(now_, log_is_idle)) commit_group();
  }

  bool is_delivered() const { return incoming_.empty() && next_transaction_ == source_.log().size(); }

  // Takes the next transaction in, or the one behind it in parts around it.
  bool has_incoming() {
    if (!incoming_.empty()) return true;
    const auto& log = source_.log();
    if (next_transaction_ == log.size()) return false;
    const auto& next = log[next_transaction_++];
    auto length = next_transaction_ < log.size() && random_.chance(0.3)
                      ? length_of_first_part(log[next_transaction_], next)
                      : 0;
    if (length == 0) {
      incoming_.assign(next.events.begin(), next.events.end());
      return true;
    }
    marks_.hit("transaction in parts around another");
    const auto& large = log[next_transaction_++];
    auto begin = std::get<Begin>(large.events.front());
    auto commit = std::get<Commit>(large.events.back());
    begin.in_parts = true;
    commit.xid = begin.xid;
    auto changes = large.events.begin() + 1;
    auto cut = changes + static_cast<std::ptrdiff_t>(length);
    incoming_.emplace_back(begin);
    incoming_.insert(incoming_.end(), changes, cut);
    incoming_.emplace_back(PartEnd{});
    incoming_.insert(incoming_.end(), next.events.begin(), next.events.end());
    incoming_.emplace_back(NextPart{begin.xid});
    incoming_.insert(incoming_.end(), cut, large.events.end() - 1);
    incoming_.emplace_back(PartEnd{});
    incoming_.emplace_back(commit);
    return true;
  }

  // How many changes of `large` a server may send before `other` commits: it is known to be committed, has
  // not been applied, and what it wrote till then is nothing that it had to wait for.
  std::size_t length_of_first_part(const SourceStore::Logged& large, const SourceStore::Logged& other) const {
    bool is_applied = target_.stored().position && large.commit_lsn < target_.stored().position->lsn;
    bool is_visible = source_.snapshot().sees(Xid(std::get<Begin>(large.events.front()).xid));
    if (is_applied || !is_visible || large.truncates || other.truncates || large.keys.empty()) return 0;
    std::size_t length = 0;
    for (std::size_t i = 1; i + 1 < large.events.size() && !waits_for(large.events[i], other); ++i) ++length;
    return length;
  }

  static bool waits_for(const LogEvent& event, const SourceStore::Logged& other) {
    auto clashes = [&](std::string_view tuple) {
      if (tuple.empty()) return false;
      auto number = [](Field field) { return read_big_endian<std::int64_t>(field.bytes.data()); };
      auto value = field_at(tuple, 1);
      return other.keys.contains(number(field_at(tuple, 0))) ||
             (value.kind == Field::Kind::value && other.values.contains(number(value)));
    };
    if (auto* insert = std::get_if<Insert>(&event)) return clashes(insert->after);
    if (auto* update = std::get_if<Update>(&event)) return clashes(update->before) || clashes(update->after);
    if (auto* remove = std::get_if<Delete>(&event)) return clashes(remove->before);
    return true;
  }

  // Coverage only: what kind of moment this event arrives in.
  void observe(const LogEvent& event) {
    if (auto* next_part = std::get_if<NextPart>(&event)) current_xid_ = Xid(next_part->xid);
    if (auto* begin = std::get_if<Begin>(&event)) {
      current_xid_ = Xid(begin->xid);
      bool again = target_.stored().position && begin->final_lsn < target_.stored().position->lsn;
      if (again && crashed_) marks_.hit("transaction delivered again after a crash");
      if (!source_.snapshot().sees(Xid(begin->xid)))
        marks_.hit("commit in the log, invisible in the snapshot");
      return;
    }
    if (std::holds_alternative<Truncate>(event) && !applier_->fences(0).all_settled())
      marks_.hit("truncate during the backfill");
    if (auto* update = std::get_if<Update>(&event)) observe_value(update->after);
    std::string key;
    if (auto* insert = std::get_if<Insert>(&event)) key = insert->after;
    if (auto* update = std::get_if<Update>(&event))
      key = update->before.empty() ? update->after : update->before;
    if (auto* remove = std::get_if<Delete>(&event)) key = remove->before;
    if (key.empty()) return;
    std::string projected;
    project(key, mapping_.source_key_fields, projected);
    applier_->fences(0).for_each(projected, CohortId(0), [&](FenceBook::Range* range) {
      if (range == nullptr) return;
      if (range->fence.phase() == Fence::Phase::pending)
        marks_.hit("change skipped while its range was pending");
      if (range->fence.phase() == Fence::Phase::opening)
        marks_.hit("change held while its range was opening");
      if (range->fence.phase() == Fence::Phase::copied && range->fence.snapshot().sees(current_xid_))
        marks_.hit("copied range met a change that its snapshot sees");
    });
  }

  void observe_value(std::string_view after) {
    auto key = read_big_endian<std::int64_t>(field_at(after, 0).bytes.data());
    auto value = read_big_endian<std::int64_t>(field_at(after, 1).bytes.data());
    bool held_by_another = std::ranges::any_of(target_.stored().rows, [&](const auto& row) {
      return row.first != key && row.second.value == value;
    });
    if (unique_values_ && held_by_another && !applier_->fences(0).all_settled())
      marks_.hit("unique value changed hands during the backfill");
  }

  void write_batch() {
    if (!group_) group_.emplace();
    auto steps = judged(applier_->take_steps());
    for (const auto& step : steps) {
      if (std::holds_alternative<QuarantineRecord>(step)) marks_.hit("row refused by the stream");
      auto* release = std::get_if<QuarantineRelease>(&step);
      if (release && !release->key_tuple.empty()) marks_.hit("quarantined key released by a delete");
    }
    group_->write(std::move(steps));
  }

  bool is_refused(const Row& row) const { return constraint_ && row.value % 4 == 0; }

  // Rows that the target refuses go to quarantine, their neighbours stay.
  std::vector<WriteStep> judged(std::vector<WriteStep> steps) {
    std::vector<WriteStep> out;
    for (auto& step : steps) {
      auto* write = std::get_if<RowWrite>(&step);
      if (write == nullptr || write->batch.op == RowOp::remove) {
        out.push_back(std::move(step));
        continue;
      }
      for (std::size_t i = 0; i < write->batch.rows; ++i) {
        auto single = one_row_of(*write, i);
        auto value = read_big_endian<std::int64_t>(field_at(single.batch.tuples, 1).bytes.data());
        if (is_refused({value, ""})) {
          out.push_back(applier_->quarantine(single, 0, {ErrorCode::row_rejected, "refused"}));
        } else {
          out.push_back(std::move(single));
        }
      }
    }
    return out;
  }

  static RowWrite one_row_of(const RowWrite& write, std::size_t row) {
    RowWrite single;
    single.batch = write.batch;
    auto tuple = std::string_view(write.batch.tuples).substr(write.batch.offsets[row]);
    single.batch.tuples = tuple.substr(0, tuple_size(tuple));
    single.batch.rows = 1;
    single.batch.offsets = {0};
    single.origin = {write.origin[row]};
    return single;
  }

  void retry_one() {
    const auto& waiting = applier_->quarantined(0);
    if (waiting.empty()) return;
    auto chosen = std::next(waiting.begin(), static_cast<std::ptrdiff_t>(random_.below(waiting.size())));
    retry(chosen->first);
  }

  void retry(std::string key) {
    if (!applier_->retry(0, key)) failure_ = "a key cannot be read again";
    marks_.hit("quarantined key read again");
    if (bug_ != Bug::released_ahead) return;
    TargetStore::Transaction release;
    release.write({QuarantineRelease{0, std::move(key), {}}});
    target_.commit(std::move(release));
  }

  // True if the process was killed on the way.
  bool commit_group() {
    write_batch();
    if (random_.chance(0.02)) return crash("crash between write and commit"), true;
    auto position = applier_->position();
    if (bug_ == Bug::position_apart) {
      target_.commit(std::move(*group_));
      group_.reset();
      if (random_.chance(0.05)) return crash(""), true;
      group_.emplace();
    }
    group_->set_position(position);
    target_.commit(std::move(*group_));
    group_.reset();
    applier_->group_committed();
    if (auto confirmable = applier_->confirmable(); confirmable && random_.chance(0.5))
      confirmed_ = *confirmable;
    return false;
  }

  void keep_house() {
    if (a_range_is_closing() && bug_ != Bug::settled_early) return;
    auto passed = applier_->confirmable();
    if (!passed) return;
    for (const auto& record : applier_->fences(0).settle(*passed)) target_.save(record);
  }

  // Its copier holds the gate: nothing of the log is delivered, and no other range closes.
  bool a_range_is_closing() const {
    return std::ranges::any_of(copiers_,
                               [](const auto& copier) { return copier->phase == Copier::Phase::commit; });
  }

  void step_copier() {
    if (copiers_.size() < 2 && random_.chance(0.3)) open_range();
    if (copiers_.empty()) return;
    auto index = random_.below(copiers_.size());
    if (advance(*copiers_[index])) copiers_.erase(copiers_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void open_range() {
    std::vector<RangeRecord> pending;
    applier_->fences(0).for_each_range([&](FenceBook::Range& range) {
      if (range.fence.phase() == Fence::Phase::pending) pending.push_back(range.record);
    });
    if (pending.empty()) return;
    const auto& record = pending[random_.below(pending.size())];
    if (record.range.is_point()) marks_.hit("unsent value read again after a change of key");
    auto copier =
        std::make_unique<Copier>(Copier{RangeCopy(*applier_, 0, record.id), record.id, {}, {}, {}, {}, {}});
    copier->copy.start();
    copiers_.push_back(std::move(copier));
  }

  // True if this copy is over, one way or the other.
  bool advance(Copier& copier) {
    switch (copier.phase) {
      case Copier::Phase::snapshot: {
        if (source_.is_locked_whole()) return false;
        copier.snapshot = source_.snapshot();
        copier.proofs_before = proofs_;
        copier.phase = Copier::Phase::position;
        return false;
      }
      case Copier::Phase::position: {
        if (proofs_ > copier.proofs_before) marks_.hit("snapshot judged after a newer one");
        ++proofs_;
        copier.phase = Copier::Phase::snapshot;
        auto next = copier.copy.snapshot_taken(copier.snapshot, source_.log_end());
        if (next == RangeCopy::Next::take_snapshot_later)
          marks_.hit("snapshot refused: it does not see a skipped transaction");
        if (next == RangeCopy::Next::roll_back) return abandoned();
        if (next == RangeCopy::Next::copy_rows) copier.phase = Copier::Phase::read;
        return false;
      }
      case Copier::Phase::read: {
        if (random_.chance(0.05)) return copier.copy.failed(), true;
        auto* range = applier_->fences(0).find(copier.range);
        if (range == nullptr) return abandoned();
        bool point = range->record.range.is_point();
        auto lower = key_of(range->record.range.lower, 0);
        auto upper = point ? lower + 1 : key_of(range->record.range.upper, kKeyCount);
        copier.rows = source_.read(copier.snapshot, lower, upper);
        refuse_rows(copier);
        if (copier.copy.rows_copied(copier.rows.size()) == RangeCopy::Next::roll_back) return abandoned();
        copier.phase = Copier::Phase::close;
        return false;
      }
      case Copier::Phase::close:
        return close(copier);
      case Copier::Phase::commit:
        target_.commit(std::move(copier.transaction));
        return true;
    }
    return false;
  }

  void refuse_rows(Copier& copier) {
    for (const auto& [key, row] : copier.rows) {
      if (!is_refused(row)) continue;
      marks_.hit("row refused by a copy");
      if (applier_->quarantined(0).contains(test::key_of(key))) marks_.hit("retried row refused once more");
      copier.copy.row_rejected(test::row_of(key, row.value, row.large), "refused");
    }
    std::erase_if(copier.rows, [&](const auto& entry) { return is_refused(entry.second); });
  }

  void observe_release(const std::vector<WriteStep>& steps) {
    bool releases = std::ranges::any_of(
        steps, [](const auto& step) { return std::holds_alternative<QuarantineRelease>(step); });
    bool writes =
        std::ranges::any_of(steps, [](const auto& step) { return std::holds_alternative<RowWrite>(step); });
    if (releases && writes) marks_.hit("retried row brought with changes that were held");
  }

  // A copier with a snapshot holds a lock that keeps TRUNCATE away.
  bool reading() const {
    return std::ranges::any_of(copiers_, [](const auto& copier) {
      return copier->phase == Copier::Phase::position || copier->phase == Copier::Phase::read;
    });
  }

  bool abandoned() {
    marks_.hit("range abandoned and copied again");
    return true;
  }

  bool close(Copier& copier) {
    if (applier_->group_is_open() || a_range_is_closing()) return false;
    auto next = copier.copy.close();
    if (next == RangeCopy::Next::roll_back) return abandoned();
    if (next == RangeCopy::Next::close_later) {
      marks_.hit("copy waited until the stream had passed its snapshot");
      return false;
    }
    auto& transaction = copier.transaction;
    if (!copier.copy.has_rejected()) transaction.write(copier.copy.steps_before_copy());
    transaction.copy(copier.rows);
    auto steps = judged(copier.copy.take_steps());
    observe_release(steps);
    if (steps.size() > 1) marks_.hit("range closed with held changes");
    if (bug_ == Bug::range_apart) {
      target_.commit(std::exchange(transaction, {}));
      if (random_.chance(0.2)) return crash(""), false;
    }
    transaction.write(std::move(steps));
    copier.phase = Copier::Phase::commit;
    return false;
  }

  // The writers stop; everything must now come to rest, equal.
  void quiesce() {
    source_.make_all_visible();
    constraint_ = false;
    if (!refuses_ && !target_.stored().quarantine.empty())
      failure_ = "a row went to quarantine without cause";
    for (int round = 0; round < 20'000 && !failed(); ++round) {
      now_ += std::chrono::milliseconds(50);
      prove();
      bool delivered = is_delivered() && !applier_->group_is_open();
      if (delivered && at_rest()) {
        if (applier_->quarantined(0).empty()) return;
        auto waiting = applier_->quarantined(0);
        for (const auto& [key, shown] : waiting) retry(key);
      }
      if (delivered) source_.emit_marker("heartbeat");
      deliver();
      step_copier();
      keep_house();
    }
    if (!failed()) failure_ = "it does not come to rest";
  }

  bool at_rest() {
    bool rests = true;
    applier_->fences(0).for_each_range(
        [&](FenceBook::Range& range) { rests = rests && range.fence.phase() == Fence::Phase::settled; });
    return rests;
  }

  std::string difference() const {
    const auto& have = target_.stored().rows;
    const auto& want = source_.rows();
    for (std::int64_t key = 0; key < kKeyCount; ++key) {
      auto a = want.find(key);
      auto b = have.find(key);
      if (a == want.end() && b != have.end()) return fmt::format("key {} was removed and is back", key);
      if (a != want.end() && b == have.end()) return fmt::format("key {} is lost", key);
      if (a != want.end() && a->second != b->second) return fmt::format("key {} is stale", key);
    }
    return "";
  }

  Bug bug_;
  int steps_;
  Random random_;
  bool unique_values_;
  bool refuses_;  // the target has a constraint that some rows break, now and then
  bool constraint_;
  bool log_is_slow_;  // the stream is far behind what snapshots see
  TableMapping mapping_;
  CohortTable cohorts_;
  SourceStore source_;
  TargetStore target_;
  Instant now_{};

  std::unique_ptr<Applier> applier_;
  std::optional<TargetStore::Transaction> group_;
  std::vector<std::unique_ptr<Copier>> copiers_;
  std::size_t next_transaction_ = 0;
  std::deque<LogEvent> incoming_;  // of those before it, not yet delivered
  Xid current_xid_;
  Lsn confirmed_;
  bool crashed_ = false;
  std::uint64_t proofs_ = 0;  // how often the applier was shown a snapshot

  std::string failure_;
  Marks marks_;
};

}  // namespace

Outcome simulate(const Options& options) {
  return Simulation(options).run();
}

}  // namespace oxbow::sim
