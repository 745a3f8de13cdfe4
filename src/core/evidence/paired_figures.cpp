#include "core/evidence/paired_figures.hpp"

#include <algorithm>
#include <cmath>

#include "core/evidence/e_values.hpp"

namespace oxbow {

void LatencyPairs::record(Duration legacy, Duration new_side) {
  record_unlike(legacy, new_side);
  auto later = new_side - legacy;
  if (later >= Duration::zero()) {
    new_later_.record(later);
  } else {
    new_earlier_.record(-later);
  }
  new_slower_ += later > delta_;
  legacy_slower_ += -later > delta_;
}

void LatencyPairs::record_unlike(Duration legacy, Duration new_side) {
  legacy_.record(legacy);
  new_side_.record(new_side);
}

double LatencyPairs::log_e_new_slower() const {
  return log_e_value(new_slower_, legacy_slower_);
}

Duration LatencyPairs::difference_quantile(double q) const {
  if (asked_alike() == 0) return Duration::zero();
  auto earlier = static_cast<double>(new_earlier_.count());
  auto later = static_cast<double>(new_later_.count());
  double wanted = std::max(1.0, std::ceil(std::clamp(q, 0.0, 1.0) * (earlier + later)));
  // The smallest difference is the largest of those without their sign.
  if (wanted <= earlier) return -new_earlier_.quantile((earlier - wanted + 1) / earlier);
  return new_later_.quantile((wanted - earlier) / later);
}

void ErrorTable::record(bool legacy_ok, bool new_ok) {
  if (legacy_ok) {
    ++(new_ok ? both_ok : only_new_failed);
  } else {
    ++(new_ok ? only_legacy_failed : both_failed);
  }
}

double ErrorTable::log_e_new_fails_more() const {
  return log_e_value(only_new_failed, only_legacy_failed);
}

void DivergenceCounts::record(bool at_first, std::optional<bool> at_second) {
  ++compared;
  differed_first += at_first;
  rechecked += at_second.has_value();
  differed_after_recheck += at_second.value_or(false);
  differed += at_second.value_or(at_first);
}

void Coverage::skipped(std::string_view reason, std::uint64_t count) {
  skipped_ += count;
  auto found = reasons_.find(reason);
  if (found == reasons_.end()) {
    auto name = reasons_.size() + 1 < kReasonsMax ? reason : std::string_view("other");
    found = reasons_.try_emplace(std::string(name)).first;
  }
  found->second += count;
}

void Coverage::add(const Coverage& other) {
  compared_ += other.compared_;
  skipped_ += other.skipped_;
  for (const auto& [reason, count] : other.reasons_) reasons_[reason] += count;
}

double Coverage::share() const {
  return eligible() == 0 ? 0.0 : static_cast<double>(compared_) / static_cast<double>(eligible());
}

}  // namespace oxbow
