#include "core/evidence/field_book.hpp"

#include <algorithm>

#include "core/evidence/answer_path.hpp"

namespace oxbow {
namespace {

// From what troubles least to what troubles most.
int trouble(FieldState state) {
  switch (state) {
    case FieldState::clean:
      return 0;
    case FieldState::noise:
      return 1;
    case FieldState::undetermined:
      return 2;
    case FieldState::difference:
      return 3;
  }
  return 3;
}

void add_to(RouteReport& route, const FieldVerdict& verdict) {
  if (trouble(verdict.state) > trouble(route.state)) route.state = verdict.state;
  route.needs_more = std::max(route.needs_more, verdict.needs_more);
}

}  // namespace

void FieldBook::record(const ComparedRequest& request) {
  auto found = routes_.find(request.route);
  if (found == routes_.end()) found = routes_.try_emplace(std::string(request.route)).first;
  auto& route = found->second;

  ++requests_;
  ++route.compared;
  route.differences_untracked += request.differences_untold;
  touched_.clear();
  count_differences(route, request.differences, false);
  if (!request.twin_differences) return;
  ++route.twins;
  count_differences(route, *request.twin_differences, true);
  for (auto* field : touched_) {
    bool differed = field->last_new == requests_;
    bool twin_differed = field->last_twin == requests_;
    if (differed && !twin_differed) ++field->counts.only_new;
    if (twin_differed && !differed) ++field->counts.only_twin;
  }
}

void FieldBook::begin_anew(std::string_view route) {
  if (auto found = routes_.find(route); found != routes_.end()) routes_.erase(found);
}

void FieldBook::count_differences(Route& route, std::span<const FieldDifference> differences, bool of_twin) {
  for (const auto& difference : differences) {
    auto* field = find_field(route, difference);
    if (!field) {
      ++route.differences_untracked;
      continue;
    }
    auto& last = of_twin ? field->last_twin : field->last_new;
    if (last == requests_) continue;
    if (field->last_new != requests_ && field->last_twin != requests_) touched_.push_back(field);
    last = requests_;
    ++(of_twin ? field->counts.twin_differed : field->counts.differed);
  }
}

FieldBook::Field* FieldBook::find_field(Route& route, const FieldDifference& difference) {
  auto path = shown_path(difference.path, kPathBytesMax);
  name_.assign(difference.kind).append(1, ' ').append(path);
  if (auto found = route.by_name.find(name_); found != route.by_name.end())
    return &route.fields[found->second];
  if (route.fields.size() == kFieldsPerRouteMax) return nullptr;
  auto& field = route.fields.emplace_back();
  field.path = path;
  field.kind = difference.kind;
  route.by_name.emplace(name_, route.fields.size() - 1);
  return &field;
}

BookReport FieldBook::report(const VerdictRules& rules) const {
  BookReport report;
  std::vector<FieldCounts> counts;
  for (const auto& [name, route] : routes_) {
    for (const auto& field : route.fields) {
      auto& each = counts.emplace_back(field.counts);
      each.compared = route.compared;
      each.twins = route.twins;
      report.fields.push_back({name, field.path, field.kind, each, {}});
    }
  }
  auto verdicts = judge_fields(counts, rules);

  std::size_t next = 0;
  for (const auto& [name, route] : routes_) {
    auto& line = report.routes.emplace_back(RouteReport{.route = name,
                                                        .compared = route.compared,
                                                        .twins = route.twins,
                                                        .differences_untracked = route.differences_untracked,
                                                        .state = FieldState::clean});
    if (route.compared < rules.deterministic_after)
      add_to(line, {.needs_more = rules.deterministic_after - route.compared});
    if (route.differences_untracked > 0) add_to(line, {});
    for (std::size_t i = 0; i < route.fields.size(); ++i, ++next) {
      report.fields[next].verdict = verdicts[next];
      add_to(line, verdicts[next]);
    }
  }
  return report;
}

}  // namespace oxbow
