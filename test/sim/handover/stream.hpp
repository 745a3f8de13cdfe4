// One of the two streams: the production Applier between two stores. It knows after a start only what its
// target has stored; what it writes carries its name, so that the stream back passes it over. One thread,
// driven by the simulation.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "flow/apply/applier.hpp"
#include "model/course.hpp"
#include "sim/handover/flaw.hpp"
#include "sim/handover/range_read.hpp"
#include "sim/handover/side_store.hpp"
#include "sim/marks.hpp"

namespace oxbow::sim {

class Stream {
 public:
  Stream(Course course, SideStore& source, SideStore& target, Flaw flaw, Random random, Marks& marks);

  // From the end of the source's log on, with cohorts whose rows are on the target already.
  void create(const std::vector<CohortId>& cohorts);
  bool exists() const { return target_.stream_here().position.has_value(); }

  // Unless source and target do not fit together any more. REQUIRES: it exists
  void start();
  bool has_lost_position() const { return has_lost_position_; }
  void stop();  // the process is gone, and what it had not committed
  bool is_running() const { return applier_ != nullptr; }

  void step(Instant now);
  bool is_idle() const;  // everything that the source has logged is committed

  // A number that goes through the log, and that the source remembers as well.
  void beat();

  bool has_passed(const std::string& marker) const { return passed_.contains(marker); }
  bool carries(CohortId cohort) const;
  bool leave(CohortId cohort);  // false: it does not run
  bool join(CohortId cohort);
  bool has_quarantined(CohortId cohort) const;

  // Rows that wait in quarantine are read again one after the other.
  std::vector<RowKey> quarantined() const;
  void retry(RowKey key);
  void retry_any();

  bool has_settled() const;                 // nothing waits to be read anew
  bool is_complete(CohortId cohort) const;  // nothing of the cohort does, and no single row

  // Keys of the cohort that it has written since it was last asked.
  std::set<RowKey> take_touched(CohortId cohort);

  Course course() const { return course_; }
  const SideStore& source() const { return source_; }
  const SideStore& target() const { return target_; }
  const std::string& failure() const { return failure_; }

 private:
  void feed(const LogEvent& event, Instant now);
  void deliver(Instant now);
  void take_steps();
  bool write_on();  // false: it waits for somebody's lock
  bool write(WriteStep& step);
  bool write_row(const RowWrite& row);
  bool settle_clashes();
  void refuse_clashing();
  bool empty_table(const TruncateWrite& truncate);
  void read_on();
  FenceBook& fences(PaymentTable table) const { return applier_->fences(static_cast<std::uint32_t>(table)); }
  void read(const RangeRecord& range, std::set<std::int64_t> clashing);
  std::optional<std::int64_t> place();
  bool write_read(bool keeps_old, std::optional<std::int64_t>& clashing);
  void settle_ranges();
  void commit();
  Xid group();
  void judge_position();
  bool may_change_hands() const;
  bool stands_where_target_does() const;
  void fail(std::string what, RowKey key);

  Course course_;
  SideStore& source_;
  SideStore& target_;
  Flaw flaw_;
  Random random_;
  Marks& marks_;

  std::unique_ptr<Applier> applier_;
  std::size_t next_logged_ = 0;
  std::deque<LogEvent> incoming_;
  std::optional<Xid> group_;
  std::deque<WriteStep> unwritten_;
  std::vector<RowWrite> clashing_;
  bool ends_group_ = false, has_lost_position_ = false;
  std::uint64_t beat_ = 0;  // the newest that came
  double reads_chance_;     // of a row or table that waits to be read anew, at each step
  std::optional<RangeRead> read_;
  std::set<std::string> passed_;  // markers
  std::map<CohortId, std::set<RowKey>> touched_;
  std::string failure_;
};

}  // namespace oxbow::sim
