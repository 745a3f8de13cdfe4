// Counts for every route and field how often the answers differ, and judges them. Memory is bounded: what
// finds no room is counted, never lost silently, and displaces what is clearly rarer. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/evidence/answer_path.hpp"
#include "core/evidence/field_verdict.hpp"
#include "core/evidence/rare_sightings.hpp"
#include "core/evidence/redactor.hpp"

namespace oxbow {

// A place in an answer and what is wrong with it. The kind belongs to it: a member that legacy changes with
// every answer and that new leaves out is not noise.
struct FieldDifference {
  std::string_view path;  // indices left out: "$.items[*].price"
  std::string_view kind;

  friend bool operator==(const FieldDifference&, const FieldDifference&) = default;
};

struct ComparedRequest {
  std::string_view route;
  std::span<const FieldDifference> differences = {};  // new from legacy; repeats count once
  std::optional<std::span<const FieldDifference>> twin_differences = {};  // if legacy was asked twice
  std::uint64_t differences_untold = 0;  // on top of both, by AnswerComparison
};

struct FieldReport {
  std::string route;
  std::string path;
  std::string kind;
  FieldCounts counts;
  FieldVerdict verdict;
};

struct RouteReport {
  std::string route;
  std::uint64_t compared = 0;
  std::uint64_t twins = 0;
  std::uint64_t differences_untracked = 0;      // untold, or in fields that found no room
  FieldState state = FieldState::undetermined;  // the worst of its fields
  std::uint64_t needs_more = 0;
};

struct BookReport {
  std::vector<RouteReport> routes;  // by name
  std::vector<FieldReport> fields;  // by route
};

class FieldBook {
 public:
  static constexpr std::size_t kFieldsPerRouteMax = 256;
  static constexpr std::size_t kPathBytesMax = kShownPathBytesMax;

  // Routes come from the spec, so their number needs no bound here.
  void record(const ComparedRequest& request);

  // What was noise may not be noise any more: forgets the counts of a route.
  void begin_anew(std::string_view route);

  // A later spec may hide what the name of a field tells: then the counts of the route are forgotten.
  void hide(std::string_view route, const Redactor& redactor);

  BookReport report(const VerdictRules& rules) const;

 private:
  struct Field {
    std::string path;
    std::string kind;
    FieldCounts counts;          // `compared` and `twins` are those of the route
    std::uint64_t last_new = 0;  // number of the last request in which it differed
    std::uint64_t last_twin = 0;
    std::uint64_t weight = 0;  // how often it was seen lately
    // What displaced another is counted from then on: that it was seen often before is why it came in, and so
    // proves nothing.
    std::uint64_t compared_before = 0;
    std::uint64_t twins_before = 0;
  };
  struct Route {
    std::uint64_t compared = 0;
    std::uint64_t twins = 0;
    std::uint64_t differences_untracked = 0;
    std::uint64_t displaced = 0;  // fields
    std::uint64_t differing = 0;  // requests
    std::deque<Field> fields;
    std::unordered_map<std::string, std::size_t> by_name;  // into `fields`
    RareSightings without_room;
  };

  Field* find_or_add(Route& route, const FieldDifference& difference);
  Field* displace_for(Field field, Route& route);
  Field* rarest_beside_request(Route& route) const;
  static void fade(Route& route);
  void count_differences(Route& route, std::span<const FieldDifference> differences, bool of_twin);

  std::uint64_t requests_ = 0;
  std::map<std::string, Route, std::less<>> routes_;
  std::vector<Field*> touched_;         // by the request at hand
  std::vector<std::uint64_t> refused_;  // of the request at hand: those that have no room
};

}  // namespace oxbow
