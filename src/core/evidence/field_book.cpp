#include "core/evidence/field_book.hpp"

#include <algorithm>

#include "core/evidence/answer_path.hpp"
#include "core/evidence/key_sketch.hpp"

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

std::string name_of(const auto& field) {
  return field.kind + ' ' + field.path;
}

}  // namespace

void FieldBook::record(const ComparedRequest& request) {
  auto found = routes_.find(request.route);
  if (found == routes_.end()) found = routes_.try_emplace(std::string(request.route)).first;
  auto& route = found->second;

  ++requests_;
  ++route.compared;
  route.twins += request.twin_differences.has_value();
  route.differences_untracked += request.differences_untold;
  touched_.clear();
  refused_.clear();
  bool differs =
      !request.differences.empty() || (request.twin_differences && !request.twin_differences->empty());
  if (differs && ++route.differing % RareSightings::kFadeEvery == 0) fade(route);
  count_differences(route, request.differences, false);
  if (!request.twin_differences) return;
  count_differences(route, *request.twin_differences, true);
  for (auto* field : touched_) {
    bool differed = field->last_new == requests_;
    bool twin_differed = field->last_twin == requests_;
    if (differed && !twin_differed) ++field->counts.only_new;
    if (twin_differed && !differed) ++field->counts.only_twin;
  }
}

// On both sides of the comparison: what was frequent long ago makes room for what is now, but not for what is
// rare.
void FieldBook::fade(Route& route) {
  constexpr std::uint64_t kKept = 8;
  route.without_room.fade();
  for (auto& field : route.fields)
    if (field.weight > kKept) field.weight = std::max(field.weight / 2, kKept);
}

void FieldBook::hide(std::string_view route, const Redactor& redactor) {
  auto found = routes_.find(route);
  if (found == routes_.end()) return;
  auto shows = [&](const Field& field) { return redactor.path(field.path) == field.path; };
  if (!std::ranges::all_of(found->second.fields, shows)) routes_.erase(found);
}

void FieldBook::begin_anew(std::string_view route) {
  if (auto found = routes_.find(route); found != routes_.end()) routes_.erase(found);
}

void FieldBook::count_differences(Route& route, std::span<const FieldDifference> differences, bool of_twin) {
  for (const auto& difference : differences) {
    auto* field = find_or_add(route, difference);
    if (!field) {
      ++route.differences_untracked;
      continue;
    }
    auto& last = of_twin ? field->last_twin : field->last_new;
    if (last == requests_) continue;
    if (field->last_new != requests_ && field->last_twin != requests_) {
      touched_.push_back(field);
      ++field->weight;
    }
    last = requests_;
    ++(of_twin ? field->counts.twin_differed : field->counts.differed);
  }
}

// Null if it has no room.
FieldBook::Field* FieldBook::find_or_add(Route& route, const FieldDifference& difference) {
  Field field{.path = shown_path(difference.path, kPathBytesMax), .kind = std::string(difference.kind)};
  auto name = name_of(field);
  if (auto found = route.by_name.find(name); found != route.by_name.end())
    return &route.fields[found->second];
  if (route.fields.size() == kFieldsPerRouteMax) return displace_for(std::move(field), route);
  route.by_name.emplace(std::move(name), route.fields.size());
  return &route.fields.emplace_back(std::move(field));
}

FieldBook::Field* FieldBook::displace_for(Field field, Route& route) {
  auto name = name_of(field);
  auto hash = hash_of_key(name);
  if (std::ranges::find(refused_, hash) != refused_.end()) return nullptr;
  field.weight = route.without_room.add(hash);
  auto* rarest = rarest_beside_request(route);
  if (rarest == nullptr || field.weight <= RareSightings::kClearlyMore * rarest->weight) {
    refused_.push_back(hash);
    return nullptr;
  }
  auto gone = name_of(*rarest);
  route.without_room.raise(hash_of_key(gone), rarest->weight);
  route.differences_untracked += rarest->counts.differed + rarest->counts.twin_differed + 1;
  ++route.displaced;
  route.by_name.emplace(std::move(name), route.by_name.extract(gone).mapped());
  field.compared_before = route.compared;
  field.twins_before = route.twins;
  field.last_new = field.last_twin = requests_;
  *rarest = std::move(field);
  return rarest;
}

FieldBook::Field* FieldBook::rarest_beside_request(Route& route) const {
  Field* rarest = nullptr;
  for (auto& each : route.fields) {
    if (each.last_new == requests_ || each.last_twin == requests_) continue;
    if (rarest == nullptr || each.weight < rarest->weight) rarest = &each;
  }
  return rarest;
}

BookReport FieldBook::report(const VerdictRules& rules) const {
  BookReport report;
  std::vector<FieldCounts> counts;
  std::uint64_t displaced = 0;
  for (const auto& [name, route] : routes_) {
    displaced += route.displaced;
    for (const auto& field : route.fields) {
      auto& each = counts.emplace_back(field.counts);
      each.compared = route.compared - field.compared_before;
      each.twins = route.twins - field.twins_before;
      report.fields.push_back({name, field.path, field.kind, each, {}});
    }
  }
  auto verdicts = judge_fields(counts, rules, displaced);

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
