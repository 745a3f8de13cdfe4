#include "services/gateway/judge.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "core/parity/answers.hpp"
#include "protocol/content_encoding.hpp"
#include "protocol/http1/head.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/thread_priority.hpp"
#include "services/gateway/message_reader.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;

// Work is gathered for a moment, because waking a thread for each pair costs the users' thread more than the
// comparison costs this one.
constexpr auto kGatherFor = 10ms;
constexpr auto kGatherSkippedFor = 100ms;  // they hold nothing
constexpr std::size_t kGathered = 1000;
constexpr std::string_view kEarlierVersion = "earlier_version";
constexpr std::size_t kBodyBytesMax = ParityLimits{}.body_bytes_max;

// An answer as it was recorded, taken apart. Its texts stay in the record.
struct Opened {
  Answer answer;
  std::string decoded;
};

// A list may be spread over several fields (RFC 9110, 5.3).
std::string list_of(const HeaderFields& fields, std::string_view name) {
  std::string list;
  for (const auto& field : fields)
    if (same_field_name(field.name, name)) list.append(list.empty() ? "" : ", ").append(field.value);
  return list;
}

void open(const RecordedAnswer& recorded, Opened& opened) {
  ResponseHead head;
  http1::parse_response_head(recorded.head, kAnswerHead, head);
  opened.answer.status = head.status;
  opened.answer.fields = std::move(head.fields);
  opened.answer.body = recorded.body;
  auto encoding = list_of(opened.answer.fields, "Content-Encoding");
  if (encoding.empty()) return;
  auto decoded = decode_content(encoding, recorded.body, kBodyBytesMax);
  if (!decoded) {
    opened.answer.unreadable = decoded.error();
    return;
  }
  opened.decoded = std::move(*decoded);
  opened.answer.body = opened.decoded;
}

bool has_failed(int status) {
  return status >= 500;
}

// What two services built alike say within one second; worth no second reading.
bool are_same_bytes(const ShadowCopy& copy) {
  return copy.answer.head == copy.shadow_answer.head && copy.answer.body == copy.shadow_answer.body;
}

// Who is slower is decided by those that were asked alike; the user's own answer was not.
void record_times(const ShadowCopy& copy, LatencyPairs& latency) {
  const auto &own = copy.answer.took, &shadow = copy.shadow_answer.took, &twin = copy.twin_answer.took;
  if (copy.is_asked_alike && twin && shadow) return latency.record(*twin, *shadow);
  if (!own || !shadow) return;
  bool legacy_answered = copy.answered_by == Side::legacy;
  latency.record_unlike(legacy_answered ? *own : *shadow, legacy_answered ? *shadow : *own);
}

// `paths` of its differences, as they may be shown.
std::vector<FieldDifference> fields_of(const AnswerComparison& comparison,
                                       const std::vector<std::string>& paths) {
  std::vector<FieldDifference> fields;
  for (std::size_t i = 0; i < paths.size(); ++i)
    fields.push_back({paths[i], name(comparison.differences[i].kind)});
  return fields;
}

std::vector<std::string> paths_of(const AnswerComparison& comparison, const Redactor& redactor) {
  std::vector<std::string> paths;
  for (const auto& difference : comparison.differences)
    paths.push_back(redactor.path(difference.signature_path));
  return paths;
}

}  // namespace

// The answers that legacy and new gave, whoever of them answered the user.
struct Judge::Comparison {
  Opened legacy;
  Opened new_side;
  Opened again;  // the twin
  AnswerComparison found;
  std::optional<AnswerComparison> twin;  // legacy with itself

  Comparison(const ShadowCopy& copy, const Routes& routes) {
    const auto& rules = routes.rules[copy.route];
    const auto& headers = routes.table.routes()[copy.route].route.compare_headers;
    bool legacy_answered = copy.answered_by == Side::legacy;
    open(legacy_answered ? copy.answer : copy.shadow_answer, legacy);
    bool translates = rules.translate() || rules.translate_fields();
    if (are_same_bytes(copy) && !translates && !legacy.answer.unreadable) {
      new_side.answer = legacy.answer;
      found.verdict = AnswerComparison::Verdict::byte_equal;
    } else {
      open(legacy_answered ? copy.shadow_answer : copy.answer, new_side);
      found = compare_answers(legacy.answer, new_side.answer, rules, {}, headers);
    }
    if (copy.twin_answer.head.empty()) return;
    open(copy.twin_answer, again);
    twin = compare_answers(legacy.answer, again.answer, routes.rules_of_twins[copy.route], {}, headers);
  }
};

Judge::Judge(JudgeParts parts)
    : parts_(std::move(parts)), clusters_(Random(parts_.seed)), kept_at_(monotonic_now()) {
  if (parts_.exemplars != nullptr) {
    if (auto known = parts_.exemplars->load())
      clusters_.restore(std::move(*known));
    else
      log_warn("earlier differences are not known: {}", to_string(known.error()));
  }
  thread_ = std::thread([this] { work(); });
}

Judge::~Judge() {
  {
    std::lock_guard lock(queue_mutex_);
    ends_ = true;
  }
  queue_filled_.notify_one();
  thread_.join();
}

void Judge::take_over(const Routing& routing) {
  std::lock_guard lock(books_mutex_);
  if (routing.begun_anew != begun_anew_) begin_as_ordered(routing);
  if (routing.routes == routes_in_force_) return;
  auto before = std::exchange(routes_in_force_, routing.routes);
  const auto& routes = *routes_in_force_;
  for (std::size_t i = 0; i < routes.texts.size(); ++i) {
    const auto& text = routes.texts[i];
    if (before && routes_.contains(text) && ways_to_compare(*before, text) != ways_to_compare(routes, text))
      begin_anew(text, parts_.now(), routing);
    clusters_.redact_again(text, routes.redactors[i]);
    fields_.hide(text, routes.redactors[i]);
  }
  clusters_.end_all_but(routes.texts);
}

void Judge::begin_as_ordered(const Routing& routing) {
  auto before = std::exchange(begun_anew_, routing.begun_anew);
  for (const auto& text : routing.routes->texts) {
    for (const auto& name : {std::string(), text}) {
      auto ordered = begun_anew_.find(name), known = before.find(name);
      if (ordered == begun_anew_.end()) continue;
      if (known == before.end() || known->second != ordered->second)
        begin_anew(text, ordered->second, routing);
    }
  }
}

// What the services are, they stay.
void Judge::begin_anew(const std::string& text, WallTime since, const Routing& routing) {
  auto& figures = routes_[text];
  auto epoch = figures.epoch;
  epoch.begin(since);
  counts_from_[text] = routing.state.revision;
  figures = RouteFigures{.epoch = std::move(epoch)};
  fields_.begin_anew(text);
  clusters_.begin_anew(text);
}

// What was asked before its route began anew says nothing about it now, and neither does what was to be
// compared in another way. No clock decides that, because it may be set back.
bool Judge::counts(const Routing& routing, std::size_t route) const {
  const auto& text = routing.routes->texts[route];
  if (auto from = counts_from_.find(text);
      from != counts_from_.end() && routing.state.revision < from->second)
    return false;
  return routing.routes == routes_in_force_ ||
         ways_to_compare(*routing.routes, text) == ways_to_compare(*routes_in_force_, text);
}

// A later spec may hide more than the one of the request. REQUIRES: what has this text counts
const Redactor& Judge::redactor_in_force(std::string_view text) const {
  auto found = std::ranges::find(routes_in_force_->texts, text);
  return routes_in_force_->redactors[static_cast<std::size_t>(found - routes_in_force_->texts.begin())];
}

// Answers of an earlier version say nothing about the present one.
bool Judge::is_of_present_versions(const ShadowCopy& copy, const Comparison& comparison,
                                   RouteFigures& figures) {
  auto& epoch = figures.epoch;
  const auto& field = copy.routing->routes->version_header;
  if (field.empty()) return true;
  bool has_changed = false, is_earlier = false;
  auto see = [&](SideVersions& versions, const Opened& opened) {
    auto seen = versions.see(find_field(opened.answer.fields, field).value_or(""), monotonic_now());
    has_changed |= seen == SideVersions::Seen::changed;
    is_earlier |= seen == SideVersions::Seen::earlier;
  };
  see(epoch.legacy, comparison.legacy);
  see(epoch.new_side, comparison.new_side);
  if (comparison.twin) see(epoch.legacy, comparison.again);
  if (has_changed) {
    epoch.begin(parts_.now());
    fields_.begin_anew(copy.routing->routes->texts[copy.route]);
  }
  if (is_earlier) figures.coverage.skipped(kEarlierVersion);
  return !is_earlier;
}

void Judge::offer(std::unique_ptr<ShadowCopy> copy) {
  {
    std::lock_guard lock(queue_mutex_);
    copies_.push_back(std::move(copy));
    if (copies_.size() != 1 && copies_.size() != kGathered) return;
  }
  queue_filled_.notify_one();
}

// Those that come in a row mostly have one reason.
void Judge::skipped(const std::shared_ptr<const Routing>& routing, std::size_t route, ShadowSkip why) {
  {
    std::lock_guard lock(queue_mutex_);
    if (!skipped_.empty()) {
      auto& last = skipped_.back();
      if (last.routing == routing && last.route == route && last.why == why) {
        ++last.count;
        return;
      }
    }
    skipped_.push_back({routing, route, why, 1});
    if (skipped_.size() != 1) return;
  }
  queue_filled_.notify_one();
}

void Judge::look(const std::function<void(const AnswersKnown&)>& read) const {
  std::lock_guard lock(books_mutex_);
  read({routes_, fields_, clusters_});
}

void Judge::work() {
  let_others_go_first();
  while (wait_for_work()) {
    while (judge_next()) keep_exemplars();
    keep_exemplars();
  }
  kept_at_ -= parts_.keep_every;
  keep_exemplars();
}

// False at the end.
bool Judge::wait_for_work() {
  std::unique_lock lock(queue_mutex_);
  queue_filled_.wait_for(lock, parts_.keep_every,
                         [&] { return ends_ || !copies_.empty() || !skipped_.empty(); });
  if (copies_.empty())
    queue_filled_.wait_for(lock, kGatherSkippedFor, [&] { return ends_ || !copies_.empty(); });
  queue_filled_.wait_for(lock, kGatherFor,
                         [&] { return ends_ || copies_.empty() || copies_.size() >= kGathered; });
  return !ends_;
}

// One pair, because many may take long: neither what is skipped meanwhile nor the end waits for them. False
// if there is none.
bool Judge::judge_next() {
  std::unique_ptr<ShadowCopy> copy;
  {
    std::lock_guard lock(queue_mutex_);
    if (ends_) return false;
    std::swap(being_counted_, skipped_);
    if (!copies_.empty()) {
      copy = std::move(copies_.front());
      copies_.pop_front();
    }
  }
  count_skipped();
  if (!copy) return false;
  judge(std::move(copy));
  return true;
}

void Judge::count_skipped() {
  if (being_counted_.empty()) return;
  std::lock_guard lock(books_mutex_);
  for (const auto& each : being_counted_)
    if (counts(*each.routing, each.route))
      routes_[each.routing->routes->texts[each.route]].coverage.skipped(name(each.why), each.count);
  being_counted_.clear();
}

// A difference is looked at once more where that changes nothing: data may still be on their way. That holds
// for a difference of the twin as well, or the one side would get a second chance that the other does not
// get.
void Judge::judge(std::unique_ptr<ShadowCopy> copy) {
  if (copy->failure != ShadowSkip::none) return record_failure(*copy);
  const auto& routes = *copy->routing->routes;
  const auto& route = routes.table.routes()[copy->route].route;
  Comparison comparison(*copy, routes);
  using Verdict = AnswerComparison::Verdict;
  bool differs = comparison.found.verdict == Verdict::differs;
  bool twin_differs = comparison.twin && comparison.twin->verdict == Verdict::differs;
  if (copy->look == ShadowCopy::Look::first) {
    copy->first_look = {differs, has_failed(comparison.legacy.answer.status),
                        has_failed(comparison.new_side.answer.status)};
    if ((differs || twin_differs) && route.read && route.recheck_after > Duration{}) {
      parts_.ask_again(std::move(copy), route.recheck_after);
      return;
    }
  }
  record(*copy, comparison);
}

// Nothing to compare, but one side has failed.
void Judge::record_failure(const ShadowCopy& copy) {
  Opened own;
  open(copy.answer, own);
  bool is_well = !has_failed(own.answer.status), legacy_answered = copy.answered_by == Side::legacy;
  std::lock_guard lock(books_mutex_);
  if (!counts(*copy.routing, copy.route)) return;
  auto& figures = routes_[copy.routing->routes->texts[copy.route]];
  figures.coverage.skipped(name(copy.failure));
  figures.errors.record(legacy_answered && is_well, !legacy_answered && is_well);
}

void Judge::record(const ShadowCopy& copy, const Comparison& comparison) {
  const auto& text = copy.routing->routes->texts[copy.route];
  const auto& found = comparison.found;
  std::lock_guard lock(books_mutex_);
  if (!counts(*copy.routing, copy.route)) return;
  auto& figures = routes_[text];
  if (!is_of_present_versions(copy, comparison, figures)) return;
  figures.errors.record(!copy.first_look.legacy_failed, !copy.first_look.new_failed);
  if (found.verdict == AnswerComparison::Verdict::skipped) {
    figures.coverage.skipped(name(found.skipped->reason));
    return;
  }
  figures.coverage.compared();
  bool differs = found.verdict == AnswerComparison::Verdict::differs;
  if (copy.look == ShadowCopy::Look::second) {
    figures.divergence.record(copy.first_look.differed, differs);
  } else {
    figures.divergence.record(differs, {});
  }
  record_times(copy, figures.latency);
  const auto& redactor = redactor_in_force(text);
  auto paths = paths_of(found, redactor), twin_paths = std::vector<std::string>();
  auto differences = fields_of(found, paths);
  std::optional<std::vector<FieldDifference>> twin;
  if (comparison.twin) {
    twin_paths = paths_of(*comparison.twin, redactor);
    twin = fields_of(*comparison.twin, twin_paths);
  }
  ComparedRequest compared{
      .route = text, .differences = differences, .differences_untold = found.differences_untold};
  if (twin) {
    compared.twin_differences = *twin;
    compared.differences_untold += comparison.twin->differences_untold;
  }
  fields_.record(compared);
  if (found.differences.empty()) return;
  std::vector<DifferingPair::Difference> told;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto& each = found.differences[i];
    told.push_back({paths[i], name(each.kind), name(each.legacy_class), name(each.new_class),
                    each.legacy_excerpt, each.new_excerpt});
  }
  clusters_.record({.route = text,
                    .request = copy.request,
                    .legacy_status = comparison.legacy.answer.status,
                    .new_status = comparison.new_side.answer.status,
                    .legacy_body = comparison.legacy.answer.body,
                    .new_body = comparison.new_side.answer.body,
                    .differences = told,
                    .differences_untold = found.differences_untold,
                    .redactor = redactor},
                   parts_.now());
}

// Once, and not each time that it fails again.
void Judge::complain_of(const Status& kept) {
  if (!kept && keeps_) log_warn("examples of differences are not kept: {}", to_string(kept.error()));
  if (kept && !keeps_) log_info("examples of differences are kept again");
  keeps_ = kept.has_value();
}

// Beside the books' lock, because the disk may be slow. What could not be written now is written the next
// time: it may be what somebody wants to be gone.
void Judge::keep_exemplars() {
  if (parts_.exemplars == nullptr || monotonic_now() - kept_at_ < parts_.keep_every) return;
  kept_at_ = monotonic_now();
  std::vector<ClusterSignature> gone;
  std::vector<DifferenceCluster> changed;
  {
    std::lock_guard lock(books_mutex_);
    gone = clusters_.gone();
    changed = clusters_.changed();
  }
  Status forgotten, kept;
  if (!gone.empty()) forgotten = parts_.exemplars->forget(gone);
  if (forgotten && !changed.empty()) kept = parts_.exemplars->save(changed);
  complain_of(forgotten ? kept : forgotten);
  if (!forgotten) return;
  std::lock_guard lock(books_mutex_);
  clusters_.were_forgotten(gone);
  if (kept) clusters_.were_kept(changed);
}

}  // namespace oxbow
