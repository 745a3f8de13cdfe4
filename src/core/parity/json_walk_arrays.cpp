// The part of the walk that goes through arrays: by place, by key, or as multisets.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/parity/exact_number.hpp"
#include "core/parity/json_hash.hpp"
#include "core/parity/json_string.hpp"
#include "core/parity/json_walk.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kUnequalMax = 100'000;  // with more of them nobody asks whether it is another order

constexpr auto kNoPartner = std::numeric_limits<std::size_t>::max();

// For each of `legacy` the place of an equal one in `fresh`: the nth with the nth of several.
template <class Key>
std::vector<std::size_t> pair_up(const std::vector<Key>& legacy, const std::vector<Key>& fresh) {
  auto in_order = [](const std::vector<Key>& keys) {
    std::vector<std::size_t> order(keys.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(
        order, [&](std::size_t a, std::size_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; });
    return order;
  };
  auto one = in_order(legacy), other = in_order(fresh);
  std::vector<std::size_t> partners(legacy.size(), kNoPartner);
  for (auto i = one.begin(), j = other.begin(); i != one.end() && j != other.end();) {
    if (legacy[*i] < fresh[*j]) {
      ++i;
    } else if (fresh[*j] < legacy[*i]) {
      ++j;
    } else {
      partners[*i++] = *j++;
    }
  }
  return partners;
}

}  // namespace

bool JsonWalk::array(Place& at, const Step* step, RuleState state, int depth) {
  if (depth >= legacy_.depth_max()) return legacy_.fail_too_deep(at.legacy) != nullptr;
  auto before = mark();
  auto start = at;
  Ahead ahead;
  if (!opening(at, ']', ahead)) return true;
  auto element = state.empty() ? RuleState() : rules_.at_element(states_, state);
  std::size_t count = 0;
  auto noted = parts_.size();
  while (ahead.legacy && ahead.fresh) {
    Step here{.up = step, .index = count, .is_element = true};
    auto told = count_;
    auto from = at;
    if (!value(at, &here, element, depth + 1)) return false;
    if (count_ != told && element.empty() && parts_.size() < noted + 2 * kUnequalMax) note_unequal(from, at);
    if (!separator(at, ']', ahead)) return false;
    ++count;
  }
  if (!state.empty()) states_.resize(element.begin);
  if (ahead.legacy != ahead.fresh) {
    parts_.resize(noted);
    return tell_length(at, ahead, count, before, step, depth);
  }
  // In another order at least two are unequal; rules may hold for elements one by one only.
  auto unequal = (parts_.size() - noted) / 2;
  bool compared = unequal < 2 || unequal == kUnequalMax || tell_order(start, at, noted, before, step, depth);
  parts_.resize(noted);
  return compared;
}

bool JsonWalk::tell_length(Place& at, Ahead ahead, std::size_t count, Mark mark, const Step* step,
                           int depth) {
  auto& scanner = ahead.legacy ? legacy_ : fresh_;
  auto& place = ahead.legacy ? at.legacy : at.fresh;
  auto longer = count;
  for (bool more = true; more; ++longer) {
    place = scanner.scan_value(scanner.skip_blanks(place), depth + 1);
    if (place == nullptr || (place = scanner.scan_separator(place, ']', more)) == nullptr) return false;
  }
  look_ahead(at);
  forget_since(mark);
  auto one = std::to_string(ahead.legacy ? longer : count),
       other = std::to_string(ahead.legacy ? count : longer);
  return tell(DifferenceKind::length, step, {ValueClass::array, one}, {ValueClass::array, other});
}

// Legacy's element and the new side's, one behind the other in parts_.
void JsonWalk::note_unequal(Place from, Place at) {
  reserve_parts();
  auto& legacy = parts_.emplace_back();
  legacy.begin = from.legacy;
  legacy.end = at.legacy;
  auto& fresh = parts_.emplace_back();
  fresh.begin = from.fresh;
  fresh.end = at.fresh;
}

bool JsonWalk::tell_order(Place start, Place& at, std::size_t noted, Mark mark, const Step* step, int depth) {
  std::string_view one(start.legacy, at.legacy), other(start.fresh, at.fresh);
  auto cost = 2 * (one.size() + other.size());
  if (cost > rework_left_) return true;  // its elements are told as they are
  rework_left_ -= cost;
  auto left = std::exchange(rework_left_, cost);
  bool elsewhere = is_elsewhere(noted, depth);
  rework_left_ = left;
  look_ahead(at);
  if (!elsewhere) return true;
  std::vector<std::uint64_t> legacy, fresh;
  for (auto i = noted; i < parts_.size(); i += 2) {
    legacy.push_back(hash_of_json(parts_[i].text()));
    fresh.push_back(hash_of_json(parts_[i + 1].text()));
  }
  std::ranges::sort(legacy);
  std::ranges::sort(fresh);
  if (legacy != fresh) return true;
  forget_since(mark);
  return tell(DifferenceKind::order, step, {ValueClass::array, one}, {ValueClass::array, other});
}

// Whether the first of the unequal elements may have an equal one at another place: if not, this is no other
// order, and a trial is cheap, since it ends at the first thing that differs.
bool JsonWalk::is_elsewhere(std::size_t noted, int depth) {
  auto first = parts_[noted];
  for (auto i = noted + 3; i < parts_.size(); i += 2) {
    auto other = parts_[i];
    if (class_of(*first.begin) != class_of(*other.begin)) continue;
    bool equal = false;
    bool tried = equal_in_silence(first, other, {}, depth + 1, equal);
    if (!tried) reason_.reset();  // it took too long to know
    if (!tried || equal) return true;
  }
  return false;
}

bool JsonWalk::matched_array(Place& at, const ReadyRule& rule, const Step* step, RuleState state, int depth) {
  if (depth >= legacy_.depth_max()) return legacy_.fail_too_deep(at.legacy) != nullptr;
  auto listed = parts_.size();
  Parts legacy, fresh;
  if (!list_elements(legacy_, at.legacy, depth, legacy) || !list_elements(fresh_, at.fresh, depth, fresh))
    return false;
  auto element = rules_.at_element(states_, state);
  bool compared = rule.rule.kind == CompareRule::Kind::keyed
                      ? match_by_key(legacy, fresh, rule, step, element, depth)
                  : element.empty() ? match_by_hash(legacy, fresh, step, depth)
                                    : match_by_trial(legacy, fresh, element, depth);
  compared = compared && tell_unmatched(legacy, fresh, step);
  states_.resize(element.begin);
  parts_.resize(listed);
  at = {legacy.behind, fresh.behind};
  if (compared) look_ahead(at);
  return compared;
}

bool JsonWalk::list_elements(JsonScanner& scanner, const char* at, int depth, Parts& parts) {
  const char* start = at;
  parts.begin = parts_.size();
  at = scanner.skip_blanks(at + 1);
  bool more = at == scanner.end() || *at != ']';
  if (!more) ++at;
  while (more) {
    Part part;
    part.begin = scanner.skip_blanks(at);
    part.end = scanner.scan_value(part.begin, depth + 1);
    if (part.end == nullptr) return false;
    at = scanner.scan_separator(part.end, ']', more);
    if (at == nullptr) return false;
    if (!list(part)) return false;
  }
  parts.end = parts_.size();
  parts.behind = at;
  return charge(static_cast<std::size_t>(at - start));
}

bool JsonWalk::match_by_key(const Parts& legacy, const Parts& fresh, const ReadyRule& rule, const Step* step,
                            RuleState element, int depth) {
  std::vector<std::string> legacy_keys, fresh_keys;
  const auto& names = rule.rule.keys;
  return list_keys(legacy_, legacy, names, depth, legacy_keys) &&
         list_keys(fresh_, fresh, names_on_new_side(names, element), depth, fresh_keys) &&
         compare_partners(pair_up(legacy_keys, fresh_keys), legacy, fresh, step, element, depth);
}

std::vector<std::string> JsonWalk::names_on_new_side(const std::vector<std::string>& names,
                                                     RuleState element) {
  std::vector<std::string> renamed;
  for (const auto& each : names) {
    auto here = rules_.at_member(states_, element, each);
    const auto* rename = rules_.find(states_, here, CompareRule::Kind::rename);
    renamed.push_back(rename != nullptr ? rename->rule.to : each);
    states_.resize(here.begin);
  }
  return renamed;
}

// The values of the named members of each element, as one text; an empty text where one of them is missing.
bool JsonWalk::list_keys(JsonScanner& scanner, const Parts& parts, const std::vector<std::string>& names,
                         int depth, std::vector<std::string>& keys) {
  for (auto i = parts.begin; i < parts.end; ++i) {
    auto& key = keys.emplace_back();
    auto element = parts_[i];
    const char* inside = *element.begin == '{' ? scanner.skip_blanks(element.begin + 1) : element.end;
    if (inside == element.end || *inside == '}') continue;
    auto listed = parts_.size();
    Parts members;
    if (!list_members(scanner, inside, true, depth + 1, members)) return false;
    for (const auto& each : names) {
      const auto* found = find_member(members, 0, each);
      if (found == nullptr) {
        key.clear();
        break;
      }
      auto value_class = class_of(*found->begin);
      key += static_cast<char>('0' + static_cast<int>(value_class));
      if (value_class == ValueClass::number) {
        append_canonical_number(found->text(), key);
      } else if (value_class == ValueClass::string) {
        append_unescaped(found->text().substr(1, found->text().size() - 2), key);
      } else {
        key += found->text();
      }
      key += '\0';
    }
    parts_.resize(listed);
  }
  return true;
}

bool JsonWalk::compare_partners(const std::vector<std::size_t>& partners, const Parts& legacy,
                                const Parts& fresh, const Step* step, RuleState element, int depth) {
  for (std::size_t i = 0; i < partners.size(); ++i) {
    if (partners[i] == kNoPartner) continue;
    parts_[legacy.begin + i].taken = parts_[fresh.begin + partners[i]].taken = true;
    auto one = parts_[legacy.begin + i], other = parts_[fresh.begin + partners[i]];
    Step here{.up = step, .index = i, .is_element = true};
    if (!compare_parts(one, other, &here, element, depth + 1)) return false;
  }
  return true;
}

bool JsonWalk::match_by_hash(const Parts& legacy, const Parts& fresh, const Step* step, int depth) {
  auto hashes = [&](const Parts& parts) {
    std::vector<std::uint64_t> all;
    for (auto i = parts.begin; i < parts.end; ++i) all.push_back(hash_of_json(parts_[i].text()));
    return all;
  };
  return compare_partners(pair_up(hashes(legacy), hashes(fresh)), legacy, fresh, step, {}, depth);
}

bool JsonWalk::match_by_trial(const Parts& legacy, const Parts& fresh, RuleState element, int depth) {
  for (auto i = legacy.begin; i < legacy.end; ++i)
    if (!try_partners(i, legacy, fresh, element, depth)) return false;
  return true;
}

// The one at the same place first: the order seldom differs by much.
bool JsonWalk::try_partners(std::size_t part, const Parts& legacy, const Parts& fresh, RuleState element,
                            int depth) {
  auto same_place = fresh.begin + (part - legacy.begin);
  for (std::size_t i = 0; i <= fresh.size(); ++i) {
    auto other = i == 0 ? same_place : fresh.begin + i - 1;
    if (other >= fresh.end || (i > 0 && other == same_place) || parts_[other].taken) continue;
    bool equal = false;
    if (!equal_in_silence(Part(parts_[part]), Part(parts_[other]), element, depth + 1, equal)) return false;
    if (!equal) continue;
    parts_[part].taken = parts_[other].taken = true;
    return true;
  }
  return true;
}

bool JsonWalk::equal_in_silence(const Part& legacy, const Part& fresh, RuleState state, int depth,
                                bool& equal) {
  if (!charge(legacy.text().size() + fresh.text().size())) return false;
  auto states = states_.size(), hashes = hashes_.size(), parts = parts_.size();
  auto count = std::exchange(count_, 0);
  auto silent = std::exchange(silent_, true);
  bool finished = compare_parts(legacy, fresh, nullptr, state, depth);
  equal = finished;
  bool stopped_early = !finished && count_ > 0 && !reason_ && !legacy_.fault() && !fresh_.fault();
  silent_ = silent;
  count_ = count;
  states_.resize(states);
  hashes_.resize(hashes);
  parts_.resize(parts);
  return finished || stopped_early;
}

bool JsonWalk::tell_unmatched(const Parts& legacy, const Parts& fresh, const Step* step) {
  auto tell_each = [&](const Parts& parts, bool is_missing) {
    for (auto i = parts.begin; i < parts.end; ++i) {
      const auto& part = parts_[i];
      if (part.taken) continue;
      Step here{.up = step, .index = i - parts.begin, .is_element = true};
      Seen seen{class_of(*part.begin), part.text()};
      bool go_on = is_missing ? tell(DifferenceKind::missing, &here, seen, {})
                              : tell(DifferenceKind::extra, &here, {}, seen);
      if (!go_on) return false;
    }
    return true;
  };
  return tell_each(legacy, true) && tell_each(fresh, false);
}

}  // namespace oxbow
