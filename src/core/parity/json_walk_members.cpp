// The part of the walk that goes through objects.
#include <algorithm>
#include <array>
#include <span>

#include "core/parity/json_string.hpp"
#include "core/parity/json_walk.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kFewNames = 32;

std::uint64_t load(const char* at, std::size_t size) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, size);
  return word;
}

// Names are short: a few multiplications instead of a general hash.
std::uint32_t hash_of_name(std::string_view name) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
  std::uint64_t hash = name.size() * kOdd;
  const char* at = name.data();
  auto left = name.size();
  for (; left > 8; left -= 8, at += 8) hash = std::rotl((hash ^ load(at, 8)) * kOdd, 29);
  std::uint64_t rest = 0;
  if (left >= 4) {
    rest = load(at, 4) << 32 | load(at + left - 4, 4);
  } else {
    for (; left > 0; --left, ++at) rest = rest << 8 | static_cast<unsigned char>(*at);
  }
  hash = (hash ^ rest) * kOdd;
  return static_cast<std::uint32_t>(hash >> 32);
}

// Whether two of them may be the same: never wrong about no.
bool may_repeat(std::span<const std::uint32_t> hashes) {
  if (hashes.size() > 2 * kFewNames) {
    std::vector<std::uint32_t> sorted(hashes.begin(), hashes.end());
    std::ranges::sort(sorted);
    return std::ranges::adjacent_find(sorted) != sorted.end();
  }
  std::array<std::uint64_t, 4> seen{};
  bool possible = false;
  for (auto hash : hashes) {
    auto bit = std::uint64_t{1} << (hash & 63);
    auto& word = seen[hash >> 6 & 3];
    possible |= (word & bit) != 0;
    word |= bit;
  }
  if (!possible) return false;
  for (std::size_t i = 1; i < hashes.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (hashes[i] == hashes[j]) return true;
  return false;
}

// Whether the value, followed by `behind` on the other side, is no object or array and ends there, too.
bool is_whole_scalar(std::string_view value, char behind) {
  auto value_class = class_of(value.front());
  if (value_class == ValueClass::object || value_class == ValueClass::array) return false;
  return value_class != ValueClass::number || behind == ',' || behind == '}' || behind == ' ' ||
         behind == '\n';
}

}  // namespace

bool JsonWalk::object(Place& at, const Step* step, RuleState state, int depth) {
  if (depth >= legacy_.depth_max()) return legacy_.fail_too_deep(at.legacy) != nullptr;
  Object object{at, hashes_.size(), depth};
  bool compared = members_in_order(at, object, step, state);
  hashes_.resize(object.hashes);
  return compared;
}

bool JsonWalk::members_in_order(Place& at, const Object& object, const Step* step, RuleState state) {
  Ahead ahead;
  if (!opening(at, '}', ahead)) return true;
  bool renamed = !state.empty() && rules_.renames_members(states_, state);
  if (renamed || ahead.legacy != ahead.fresh) return members_by_name(at, ahead, object, step, state);
  while (ahead.legacy) {
    bool escaped, fresh_escaped;
    const char* end = legacy_.scan_string(at.legacy, escaped);
    if (end == nullptr) return false;
    Step here{.up = step, .name = {at.legacy + 1, end - 1}};
    if (is_twin(end)) {
      step_both(at, end);
    } else {
      const char* fresh_end = fresh_.scan_string(at.fresh, fresh_escaped);
      if (fresh_end == nullptr) return false;
      if (!same_text(here.name, {at.fresh + 1, fresh_end - 1}))
        return members_by_name(at, ahead, object, step, state);
      at = {end, fresh_end};
      look_ahead(at);
    }
    hashes_.push_back(hash_of_name(escaped ? unescaped(here.name, scratch_) : here.name));
    if (!colon(at) || !member_value(at, here, state, object.depth + 1) || !separator(at, '}', ahead))
      return false;
    if (ahead.legacy != ahead.fresh) return members_by_name(at, ahead, object, step, state);
  }
  return names_differ(legacy_, object.start.legacy, object.hashes, object.depth);
}

inline bool JsonWalk::member_value(Place& at, const Step& step, RuleState state, int depth) {
  if (state.empty()) return plain_value(at, &step, state, depth);
  auto here = rules_.at_member(states_, state, unescaped(step.name, scratch_));
  bool compared = value(at, &step, here, depth);
  states_.resize(here.begin);
  return compared;
}

bool JsonWalk::members_by_name(Place& at, Ahead ahead, const Object& object, const Step* step,
                               RuleState state) {
  auto listed = parts_.size();
  Parts fresh;
  if (!list_members(fresh_, at.fresh, ahead.fresh, object.depth, fresh) || !names_differ_with(fresh, object))
    return false;
  if (fresh.size() > kFewNames) {
    fresh.by_hash = true;
    std::ranges::sort(std::span(parts_).subspan(fresh.begin, fresh.size()), {}, &Part::hash);
  }
  Place next{at.legacy, fresh.behind};
  for (std::size_t i = 0; ahead.legacy; ++i) {
    next.legacy = match_member(legacy_.skip_blanks(next.legacy), i, fresh, step, state, object.depth);
    if (next.legacy == nullptr) return false;
    next.legacy = legacy_.scan_separator(next.legacy, '}', ahead.legacy);
    if (next.legacy == nullptr) return false;
  }
  if (!names_differ(legacy_, object.start.legacy, object.hashes, object.depth)) return false;
  if (!tell_extra_members(fresh, step, state)) return false;
  parts_.resize(listed);
  at = next;
  look_ahead(at);
  return true;
}

bool JsonWalk::list_members(JsonScanner& scanner, const char* at, bool more, int depth, Parts& parts) {
  const char* start = at;
  reserve_parts();
  parts.begin = parts_.size();
  while (more) {
    Part part;
    bool escaped;
    at = scanner.skip_blanks(at);
    const char* end = scanner.scan_string(at, escaped);
    if (end == nullptr) return false;
    part.name = {at + 1, end - 1};
    part.hash = hash_of_name(escaped ? unescaped(part.name, scratch_) : part.name);
    part.begin = scanner.scan_colon(end);
    if (part.begin == nullptr) return false;
    part.end = scanner.scan_value(part.begin, depth + 1);
    if (part.end == nullptr) return false;
    at = scanner.scan_separator(part.end, '}', more);
    if (at == nullptr) return false;
    if (!list(part)) return false;
  }
  parts.end = parts_.size();
  parts.behind = at;
  return charge(static_cast<std::size_t>(at - start));
}

// Those of the new side: the ones listed and, before them, the ones that came in legacy's order.
bool JsonWalk::names_differ_with(const Parts& fresh, const Object& object) {
  auto in_order = hashes_.size();
  for (auto i = fresh.begin; i < fresh.end; ++i) hashes_.push_back(parts_[i].hash);
  bool differ = names_differ(fresh_, object.start.fresh, object.hashes, object.depth);
  hashes_.resize(in_order);
  return differ;
}

bool JsonWalk::names_differ(JsonScanner& scanner, const char* object, std::size_t hashes, int depth) {
  if (!may_repeat(std::span(hashes_).subspan(hashes))) return true;
  auto listed = parts_.size();
  Parts parts;
  if (!list_members(scanner, object + 1, true, depth, parts)) return false;
  std::vector<std::string> names;
  for (auto i = parts.begin; i < parts.end; ++i) append_unescaped(parts_[i].name, names.emplace_back());
  parts_.resize(listed);
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) == names.end()) return true;
  reason_ = SkipReason::duplicate_members;
  return false;
}

// Compares the member of legacy's that begins at `at` with the one of its name; returns what is behind it.
const char* JsonWalk::match_member(const char* at, std::size_t index, const Parts& fresh, const Step* step,
                                   RuleState state, int depth) {
  bool escaped;
  const char* end = legacy_.scan_string(at, escaped);
  if (end == nullptr) return nullptr;
  Step here{.up = step, .name = {at + 1, end - 1}};
  const char* begin = legacy_.scan_colon(end);
  if (begin == nullptr) return nullptr;
  auto name = escaped ? unescaped(here.name, scratch_) : here.name;
  hashes_.push_back(hash_of_name(name));
  auto rules = state.empty() ? RuleState() : rules_.at_member(states_, state, name);
  const auto* rename = rules.empty() ? nullptr : rules_.find(states_, rules, CompareRule::Kind::rename);
  if (!rules.empty() && rules_.find(states_, rules, CompareRule::Kind::ignore) != nullptr) {
    end = legacy_.scan_value(begin, depth + 1);
  } else if (auto* found = find_member(fresh, index, rename != nullptr ? rename->rule.to : name)) {
    found->taken = true;
    end = value_of_member(begin, found->text(), &here, rules, depth + 1);
  } else if (reason_) {
    end = nullptr;
  } else {
    end = legacy_.scan_value(begin, depth + 1);
    if (end != nullptr && !tell(DifferenceKind::missing, &here, {class_of(*begin), {begin, end}}, {}))
      end = nullptr;
  }
  if (!state.empty()) states_.resize(rules.begin);
  return end;
}

// Compares the value of legacy's that begins at `begin` with one that has been listed; returns what is behind
// it.
const char* JsonWalk::value_of_member(const char* begin, std::string_view fresh, const Step* step,
                                      RuleState state, int depth) {
  auto left = static_cast<std::size_t>(legacy_.end() - begin);
  bool same_bytes = fresh.size() < left && std::memcmp(begin, fresh.data(), fresh.size()) == 0;
  if (same_bytes && state.empty() && is_whole_scalar(fresh, begin[fresh.size()])) return begin + fresh.size();
  Place at{begin, fresh.data()};
  auto outer = std::exchange(horizon_, begin + std::min(left, fresh.size()));
  look_ahead(at);
  bool compared = value(at, step, state, depth);
  horizon_ = outer;
  return compared ? at.legacy : nullptr;
}

JsonWalk::Part* JsonWalk::find_member(const Parts& parts, std::size_t hint, std::string_view name) {
  auto hash = hash_of_name(name);
  std::span all(parts_.data() + parts.begin, parts.size());
  auto is_it = [&](const Part& part) {
    if (part.hash != hash || part.taken) return false;
    std::string scratch;
    return part.name == name || unescaped(part.name, scratch) == name;
  };
  if (parts.by_hash) {
    auto same = std::ranges::equal_range(all, hash, {}, &Part::hash);
    // Names can be made to have one hash, and then each of them would be looked at for each.
    for (auto& each : same) {
      if (is_it(each)) return &each;
      if (!charge(sizeof(Part) + each.name.size())) return nullptr;
    }
    return nullptr;
  }
  if (hint < all.size() && is_it(all[hint])) return &all[hint];
  auto found = std::ranges::find_if(all, is_it);
  return found == all.end() ? nullptr : &*found;
}

bool JsonWalk::tell_extra_members(const Parts& fresh, const Step* step, RuleState state) {
  std::span all(parts_.data() + fresh.begin, fresh.size());
  if (fresh.by_hash) std::ranges::sort(all, {}, &Part::begin);
  for (const auto& part : all) {
    if (part.taken) continue;
    auto here = rules_.at_member(states_, state, unescaped(part.name, scratch_));
    bool ignored = rules_.find(states_, here, CompareRule::Kind::ignore) != nullptr;
    states_.resize(here.begin);
    Step member{.up = step, .name = part.name};
    if (!ignored && !tell(DifferenceKind::extra, &member, {}, {class_of(*part.begin), part.text()}))
      return false;
  }
  return true;
}

bool JsonWalk::compare_parts(const Part& legacy, const Part& fresh, const Step* step, RuleState state,
                             int depth) {
  Place at{legacy.begin, fresh.begin};
  auto outer = std::exchange(horizon_, legacy.end);
  look_ahead(at);
  bool compared = value(at, step, state, depth);
  horizon_ = outer;
  return compared;
}

}  // namespace oxbow
