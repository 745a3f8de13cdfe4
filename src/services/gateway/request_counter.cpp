#include "services/gateway/request_counter.hpp"

#include <algorithm>

namespace oxbow {

void RequestCounter::count(const Visit& visit, Duration took) {
  add(ended_);
  if (visit.is_shed) return add(shed_);  // no side was asked
  auto& side = visit.side == Side::legacy ? legacy_ : new_side_;
  auto status_class = static_cast<std::size_t>(std::clamp(visit.status / 100, 0, 5));
  add(side.by_status_class[status_class]);
  if (visit.is_not_passed_on) add(side.not_passed_on);
  auto seconds = std::chrono::duration<double>(took).count();
  auto bound = std::ranges::lower_bound(kAnswerSeconds, seconds);
  add(side.by_time[static_cast<std::size_t>(bound - kAnswerSeconds.begin())]);
  add(side.seconds, seconds);
}

void RequestCounter::OfSide::tell(RequestFigures::OfSide& figures) const {
  std::ranges::copy(by_status_class, figures.by_status_class.begin());
  std::ranges::copy(by_time, figures.by_time.begin());
  figures.seconds = seconds;
  figures.not_passed_on = not_passed_on;
}

void RequestCounter::tell(RequestFigures& figures) const {
  legacy_.tell(figures.legacy);
  new_side_.tell(figures.new_side);
  figures.under_way = under_way();
  figures.refused = refused_;
  figures.shed = shed_;
  figures.turned_away = turned_away_;
  figures.connections = connections_;
}

}  // namespace oxbow
