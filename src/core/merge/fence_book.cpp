#include "core/merge/fence_book.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace oxbow {
namespace {

Fence fence_of(const RangeRecord& record, const std::vector<Xid>& unproven, Protections protections) {
  switch (record.phase) {
    case RangePhase::copied:
      return Fence::restored_copied(record.snapshot, record.settled_at, protections);
    case RangePhase::settled:
      return Fence::restored_settled();
    case RangePhase::pending:
      break;
  }
  Fence fence(protections);
  fence.skipped_before(unproven);
  return fence;
}

bool is_settled(const FenceBook::Range& range) {
  return range.fence.phase() == Fence::Phase::settled;
}

RangeRecord settled_record(FenceBook::Range& range) {
  range.record.phase = RangePhase::settled;
  return range.record;
}

}  // namespace

FenceBook::FenceBook(std::vector<KeyColumn> key, Protections protections)
    : order_(KeyOrder::of(key)), protections_(protections) {}

void FenceBook::add_job(std::uint32_t job, std::vector<CohortId> members, std::vector<RangeRecord> records,
                        const std::vector<Xid>& unproven) {
  OXBOW_ASSERT(!records.empty(), "job {} has no range", job);
  OXBOW_ASSERT(records.size() == 1 || order_, "job {} cuts a key without an order", job);
  std::sort(members.begin(), members.end());
  Job& added = jobs_.emplace_back(Job{job, std::move(members), {}, 0});
  for (auto& record : records) {
    Fence fence = fence_of(record, unproven, protections_);
    added.ranges.push_back({std::move(record), std::move(fence), {}, 0, 0, false});
  }
  std::sort(added.ranges.begin(), added.ranges.end(), [&](const Range& a, const Range& b) {
    const auto& x = a.record.range.lower.tuple;
    const auto& y = b.record.range.lower.tuple;
    if (x.empty() || y.empty()) return x.empty() && !y.empty();
    return order_->compare(x, y) < 0;
  });
  added.unsettled = static_cast<std::size_t>(std::count_if(
      added.ranges.begin(), added.ranges.end(), [](const Range& range) { return !is_settled(range); }));
}

void FenceBook::remove_members(const std::vector<CohortId>& members) {
  for (auto& job : jobs_) {
    std::erase_if(job.members, [&](CohortId id) { return std::ranges::find(members, id) != members.end(); });
  }
  std::erase_if(jobs_, [](const Job& job) { return job.members.empty(); });
}

void FenceBook::add_point(const RangeRecord& record, std::string key, const std::vector<Xid>& unproven) {
  points_.insert_or_assign(std::move(key),
                           Range{record, fence_of(record, unproven, protections_), {}, 0, 0, false});
}

void FenceBook::remove_point(std::string_view key) {
  if (auto point = points_.find(key); point != points_.end()) points_.erase(point);
}

void FenceBook::for_each(std::string_view key, std::optional<CohortId> cohort,
                         const std::function<void(Range*)>& visit) {
  if (auto* point = find_point(key)) {
    if (!cohort || covers(*cohort)) visit(point);
    return;
  }
  for (auto& job : jobs_) {
    if (cohort && !std::binary_search(job.members.begin(), job.members.end(), *cohort)) continue;
    visit(job.unsettled == 0 ? nullptr : &range_of(job, key));
  }
}

void FenceBook::for_each_possible(std::optional<CohortId> cohort, const std::function<void(Range&)>& visit) {
  if (!cohort || covers(*cohort)) {
    for (auto& [key, point] : points_) visit(point);
  }
  for (auto& job : jobs_) {
    if (cohort && !std::binary_search(job.members.begin(), job.members.end(), *cohort)) continue;
    for (auto& range : job.ranges) visit(range);
  }
}

FenceBook::Range& FenceBook::range_of(Job& job, std::string_view key) {
  if (job.ranges.size() == 1) return job.ranges.front();
  auto behind = std::upper_bound(job.ranges.begin(), job.ranges.end(), key,
                                 [&](std::string_view k, const Range& range) {
                                   const auto& lower = range.record.range.lower.tuple;
                                   return !lower.empty() && order_->compare(k, lower) < 0;
                                 });
  OXBOW_ASSERT(behind != job.ranges.begin(), "job {} does not begin at the smallest key", job.id);
  return *std::prev(behind);
}

bool FenceBook::covers(CohortId cohort) const {
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) {
    return std::binary_search(job.members.begin(), job.members.end(), cohort);
  });
}

bool FenceBook::has_settled(CohortId cohort) const {
  return covers(cohort) && std::ranges::all_of(jobs_, [&](const Job& job) {
           return job.unsettled == 0 || !std::ranges::binary_search(job.members, cohort);
         });
}

bool FenceBook::all_settled() const {
  return points_.empty() &&
         std::all_of(jobs_.begin(), jobs_.end(), [](const Job& job) { return job.unsettled == 0; });
}

bool FenceBook::others_settled() {
  bool settled = true;
  for_each_range([&](const Range& range) { settled = settled && (range.after_others || is_settled(range)); });
  return settled;
}

FenceBook::Range* FenceBook::next_pending() {
  Range* next = nullptr;
  Range* last = nullptr;
  for_each_range([&](Range& range) {
    if (range.fence.phase() != Fence::Phase::pending) return;
    auto*& found = range.after_others ? last : next;
    bool goes_before = range.record.range.is_point() && !(found && found->record.range.is_point());
    if (!found || goes_before) found = &range;
  });
  if (next) return next;
  return last && others_settled() ? last : nullptr;
}

FenceBook::Range* FenceBook::find(RangeId id) {
  Range* found = nullptr;
  for_each_range([&](Range& range) {
    if (range.record.id == id) found = &range;
  });
  return found;
}

FenceBook::Range* FenceBook::find_point(std::string_view key) {
  auto point = points_.find(key);
  return point == points_.end() ? nullptr : &point->second;
}

std::vector<std::string> FenceBook::points() const {
  std::vector<std::string> keys;
  for (const auto& [key, point] : points_) keys.push_back(key);
  return keys;
}

void FenceBook::for_each_range(const std::function<void(Range&)>& visit) {
  for (auto& job : jobs_)
    for (auto& range : job.ranges) visit(range);
  for (auto& [key, range] : points_) visit(range);
}

std::vector<RangeRecord> FenceBook::restart(Xid xid) {
  std::vector<RangeRecord> records;
  for (auto& [key, point] : points_) records.push_back(settled_record(point));
  points_.clear();
  for (auto& job : jobs_) {
    for (auto& range : job.ranges) {
      Fence fresh(protections_);
      fresh.skipped_before(range.fence.skipped());
      fresh.skipped_before({xid});
      range.fence = std::move(fresh);
      range.held.clear();
      range.held_bytes = 0;
      range.after_others = false;
      range.record.phase = RangePhase::pending;
      range.record.rows = 0;
      records.push_back(range.record);
    }
    job.unsettled = job.ranges.size();
  }
  return records;
}

std::vector<RangeRecord> FenceBook::settle(Lsn position) {
  std::vector<RangeRecord> records;
  for (auto& job : jobs_) {
    if (job.unsettled == 0) continue;
    for (auto& range : job.ranges) {
      if (!range.fence.settle(position)) continue;
      records.push_back(settled_record(range));
      --job.unsettled;
    }
  }
  for (auto point = points_.begin(); point != points_.end();) {
    bool settled = point->second.fence.settle(position);
    if (settled) records.push_back(settled_record(point->second));
    point = settled ? points_.erase(point) : std::next(point);
  }
  return records;
}

void FenceBook::prove(const Snapshot& snapshot) {
  for_each_range([&](Range& range) { range.fence.prove(snapshot); });
}

}  // namespace oxbow
