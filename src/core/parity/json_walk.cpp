#include "core/parity/json_walk.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.hpp"
#include "core/parity/exact_number.hpp"
#include "core/parity/json_string.hpp"
#include "core/parity/ruled_scalar.hpp"

namespace oxbow {
namespace {

using Kind = CompareRule::Kind;

constexpr std::size_t kDifferencesUsual = 8;

// How many bytes both begin with in common, of at most `size`.
std::size_t common_prefix(const char* one, const char* other, std::size_t size) {
  std::size_t at = 0;
  if constexpr (std::endian::native == std::endian::little) {
    for (; at + 8 <= size; at += 8) {
      std::uint64_t a, b;
      std::memcpy(&a, one + at, 8);
      std::memcpy(&b, other + at, 8);
      if (a != b) return at + static_cast<std::size_t>(std::countr_zero(a ^ b)) / 8;
    }
  }
  while (at < size && one[at] == other[at]) ++at;
  return at;
}

ValueClass class_at(const JsonScanner& scanner, const char* at) {
  return at == scanner.end() ? ValueClass::none : class_of(*at);
}

bool is_scalar(ValueClass value_class) {
  return value_class != ValueClass::none && value_class != ValueClass::array &&
         value_class != ValueClass::object;
}

}  // namespace

JsonWalk::JsonWalk(std::string_view legacy, std::string_view new_side, const CompareRules& rules,
                   const ParityLimits& limits)
    : legacy_(legacy, limits.depth_max),
      fresh_(new_side, limits.depth_max),
      rules_(rules),
      limits_(limits),
      horizon_(legacy_.end()),
      rework_left_(limits.rework_factor_max * (legacy.size() + new_side.size())) {
  constexpr std::size_t kNamesUsual = 64;
  hashes_.reserve(kNamesUsual);
  OXBOW_ASSERT(limits.depth_max <= ParityLimits::kDepthMaxEver, "a depth limit of {}", limits.depth_max);
}

bool JsonWalk::run() {
  Place at{legacy_.begin(), fresh_.begin()};
  look_ahead(at);
  blanks(at);
  if (!value(at, nullptr, rules_.at_root(states_), 0)) return false;
  blanks(at);
  constexpr std::string_view kBehind = "something stands behind the value";
  if (at.legacy != legacy_.end()) legacy_.fail(at.legacy, kBehind);
  if (at.fresh != fresh_.end()) fresh_.fail(at.fresh, kBehind);
  return !legacy_.fault() && !fresh_.fault();
}

SkipReason JsonWalk::reason() const {
  if (legacy_.fault()) return legacy_.fault()->reason;
  if (fresh_.fault()) return fresh_.fault()->reason;
  OXBOW_ASSERT(reason_, "a walk stopped without a reason");
  return *reason_;
}

void JsonWalk::look_ahead(Place at) {
  auto size = std::min(horizon_ - at.legacy, fresh_.end() - at.fresh);
  twin_until_ =
      size <= 0 ? at.legacy : at.legacy + common_prefix(at.legacy, at.fresh, static_cast<std::size_t>(size));
}

bool JsonWalk::value(Place& at, const Step* step, RuleState state, int depth) {
  if (!state.empty() && rules_.any_here(states_, state)) return ruled_value(at, step, state, depth);
  return plain_value(at, step, state, depth);
}

bool JsonWalk::plain_value(Place& at, const Step* step, RuleState state, int depth) {
  auto value_class = class_at(legacy_, at.legacy);
  if (value_class != class_at(fresh_, at.fresh)) return of_two_classes(at, step, depth);
  switch (value_class) {
    case ValueClass::object:
      return object(at, step, state, depth);
    case ValueClass::array:
      return array(at, step, state, depth);
    case ValueClass::string:
      return string(at, step);
    case ValueClass::number:
      return number(at, step);
    default:
      return literal(at, step);
  }
}

bool JsonWalk::string(Place& at, const Step* step) {
  bool escaped, fresh_escaped;
  const char* end = legacy_.scan_string(at.legacy, escaped);
  if (end == nullptr) return false;
  if (is_twin(end)) {
    step_both(at, end);
    return true;
  }
  const char* fresh_end = fresh_.scan_string(at.fresh, fresh_escaped);
  if (fresh_end == nullptr) return false;
  auto from = std::exchange(at, {end, fresh_end});
  look_ahead(at);
  std::string_view one(from.legacy + 1, end - 1), other(from.fresh + 1, fresh_end - 1);
  if (one == other || ((escaped || fresh_escaped) && same_text(one, other))) return true;
  return tell(DifferenceKind::value, step, {ValueClass::string, {from.legacy, end}},
              {ValueClass::string, {from.fresh, fresh_end}});
}

bool JsonWalk::number(Place& at, const Step* step) {
  const char* end = legacy_.scan_number(at.legacy);
  if (end == nullptr) return false;
  if (end < twin_until_) {  // the byte behind it ends both
    step_both(at, end);
    return true;
  }
  const char* fresh_end = fresh_.scan_number(at.fresh);
  if (fresh_end == nullptr) return false;
  auto from = std::exchange(at, {end, fresh_end});
  look_ahead(at);
  std::string_view one(from.legacy, end), other(from.fresh, fresh_end);
  if (same_number(one, other)) return true;
  return tell(DifferenceKind::value, step, {ValueClass::number, one}, {ValueClass::number, other});
}

bool JsonWalk::literal(Place& at, const Step* step) {
  auto value_class = class_at(legacy_, at.legacy);
  const char* end = legacy_.scan_literal(at.legacy);
  const char* fresh_end = fresh_.scan_literal(at.fresh);
  if (end == nullptr || fresh_end == nullptr) return false;
  auto from = std::exchange(at, {end, fresh_end});
  std::string_view one(from.legacy, end), other(from.fresh, fresh_end);
  if (one == other) return true;
  look_ahead(at);
  return tell(DifferenceKind::value, step, {value_class, one}, {value_class, other});
}

bool JsonWalk::of_two_classes(Place& at, const Step* step, int depth) {
  Seen one{class_at(legacy_, at.legacy), {}}, other{class_at(fresh_, at.fresh), {}};
  const char* end = legacy_.scan_value(at.legacy, depth);
  const char* fresh_end = fresh_.scan_value(at.fresh, depth);
  if (end == nullptr || fresh_end == nullptr) return false;
  one.text = {at.legacy, end};
  other.text = {at.fresh, fresh_end};
  at = {end, fresh_end};
  look_ahead(at);
  return tell(DifferenceKind::type, step, one, other);
}

bool JsonWalk::ruled_value(Place& at, const Step* step, RuleState state, int depth) {
  if (rules_.find(states_, state, Kind::ignore) != nullptr) return skip_both(at, depth);
  auto one = class_at(legacy_, at.legacy), other = class_at(fresh_, at.fresh);
  if (is_scalar(one) && is_scalar(other)) return ruled_scalar(at, step, state);
  if (one == ValueClass::array && other == ValueClass::array) {
    const auto* rule = rules_.find(states_, state, Kind::keyed);
    if (rule == nullptr) rule = rules_.find(states_, state, Kind::unordered);
    if (rule != nullptr) return matched_array(at, *rule, step, state, depth);
  }
  return plain_value(at, step, state, depth);
}

bool JsonWalk::ruled_scalar(Place& at, const Step* step, RuleState state) {
  Seen one{class_at(legacy_, at.legacy), {}}, other{class_at(fresh_, at.fresh), {}};
  const char* end = legacy_.scan_value(at.legacy, 0);
  const char* fresh_end = fresh_.scan_value(at.fresh, 0);
  if (end == nullptr || fresh_end == nullptr) return false;
  one.text = {at.legacy, end};
  other.text = {at.fresh, fresh_end};
  at = {end, fresh_end};
  look_ahead(at);
  RulesHere here;
  rules_.for_each(states_, state, [&](const ReadyRule& each) { here.push_back(&each); });
  if (same_under_rules(here, read_scalar(one.text), read_scalar(other.text))) return true;
  return tell(one.value_class == other.value_class ? DifferenceKind::value : DifferenceKind::type, step, one,
              other);
}

bool JsonWalk::skip_both(Place& at, int depth) {
  const char* end = legacy_.scan_value(at.legacy, depth);
  if (end == nullptr) return false;
  if (end < twin_until_) {
    step_both(at, end);
    return true;
  }
  const char* fresh_end = fresh_.scan_value(at.fresh, depth);
  if (fresh_end == nullptr) return false;
  at = {end, fresh_end};
  look_ahead(at);
  return true;
}

bool JsonWalk::list(const Part& part) {
  if (parts_.size() >= limits_.parts_max) {
    reason_ = SkipReason::too_costly;
    return false;
  }
  parts_.push_back(part);
  return true;
}

bool JsonWalk::charge(std::size_t bytes) {
  if (bytes > rework_left_) {
    reason_ = SkipReason::too_costly;
    return false;
  }
  rework_left_ -= bytes;
  return true;
}

bool JsonWalk::tell(DifferenceKind kind, const Step* step, Seen legacy, Seen fresh) {
  ++count_;
  if (silent_) return false;
  auto signature = signature_of(step);
  if (is_told(signature, kind, legacy, fresh)) return true;
  if (differences_.size() >= limits_.differences_max) {
    ++untold_;
    return true;
  }
  if (differences_.empty()) differences_.reserve(std::min(limits_.differences_max, kDifferencesUsual));
  signatures_.push_back(signature);
  DifferencePath path;
  append_path(step, path);
  differences_.push_back({.kind = kind,
                          .path = std::move(path.exact),
                          .signature_path = std::move(path.signature),
                          .legacy_class = legacy.value_class,
                          .new_class = fresh.value_class,
                          .legacy_excerpt = excerpt_of(legacy.text, limits_.excerpt_bytes_max),
                          .new_excerpt = excerpt_of(fresh.text, limits_.excerpt_bytes_max)});
  return true;
}

bool JsonWalk::is_told(SignatureHash signature, DifferenceKind kind, const Seen& legacy,
                       const Seen& fresh) const {
  for (std::size_t i = 0; i < signatures_.size(); ++i) {
    const auto& told = differences_[i];
    if (signatures_[i] == signature && told.kind == kind && told.legacy_class == legacy.value_class &&
        told.new_class == fresh.value_class)
      return true;
  }
  return false;
}

// Each step is read once, however many differences are below it.
SignatureHash JsonWalk::signature_of(const Step* step) {
  if (step == nullptr) return {};
  if (!step->signature) {
    auto above = signature_of(step->up);
    step->signature = step->is_element ? above.element() : above.member(unescaped(step->name, scratch_));
  }
  return *step->signature;
}

void JsonWalk::append_path(const Step* step, DifferencePath& path) {
  if (step == nullptr) return;
  append_path(step->up, path);
  if (step->is_element) {
    path.element(step->index);
  } else {
    path.member(unescaped(step->name, scratch_));
  }
}

void JsonWalk::forget_since(Mark mark) {
  differences_.resize(mark.told);
  signatures_.resize(mark.told);
  count_ = mark.count;
  untold_ = mark.untold;
}

}  // namespace oxbow
