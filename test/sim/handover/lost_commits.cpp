#include "sim/handover/lost_commits.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace oxbow::sim {
namespace {

constexpr int kStepsBehind = 3000;  // users write over what was lost, and the plane dies and comes back

}  // namespace

void LostCommits::back_up(Side side) {
  backup_ = stage_.store(side);
}

std::optional<Side> LostCommits::backed_up() const {
  return backup_ ? std::optional(backup_->side()) : std::nullopt;
}

LostCommits::Stakes LostCommits::stakes_of(const Stream& stream) const {
  Stakes stakes;
  if (!stream.exists()) return stakes;
  if (stream.source().side() == backup_->side()) {
    const auto& position = *stream.target().stream_here().position;
    stakes.source_forgot = position.lsn > backup_->log_end();
    stakes.is_told_by_beat = position.beat > backup_->beat;
  } else {
    const auto& position = backup_->stream_here().position;
    stakes.target_forgot = position && position->lsn < stream.source().confirmed;
  }
  return stakes;
}

// What is lost since the last beat, and written over before a stream looks, is not seen; the protocol's page
// says so.
bool LostCommits::would_be_noticed(bool streams_look_at_once) const {
  bool anything = false, hidden = false;
  for (const auto& stream : stage_.streams) {
    auto stakes = stakes_of(stream);
    anything = anything || stakes.any();
    hidden = hidden || (stakes.source_forgot && !stakes.is_told_by_beat && !streams_look_at_once);
  }
  return anything && !hidden;
}

void LostCommits::come_back() {
  for (std::size_t i = 0; i < stage_.streams.size(); ++i) stakes_[i] = stakes_of(stage_.streams[i]);
  stage_.store(backup_->side()).come_back_as(*backup_);
  have_happened_ = true;
  steps_left_ = std::ranges::all_of(stakes_, &Stakes::tell_for_good) ? kStepsBehind : 1;
  stage_.marks.hit("a server comes back without its last transactions");
}

bool LostCommits::look() {
  bool all_have_noticed = true;
  for (std::size_t i = 0; i < stage_.streams.size(); ++i) {
    const auto& stream = stage_.streams[i];
    if (!stakes_[i].any()) continue;
    if (stream.is_running() && wrong_.empty())
      wrong_ = fmt::format("{} has come back without its last transactions, and the stream {} goes on",
                           name(backup_->side()), stakes_[i].source_forgot ? "from there" : "to it");
    all_have_noticed = all_have_noticed && stream.has_lost_position();
  }
  if (!all_have_noticed) return !wrong_.empty();
  return --steps_left_ <= 0;
}

}  // namespace oxbow::sim
