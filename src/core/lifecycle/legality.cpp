#include "core/lifecycle/legality.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"

namespace oxbow {
namespace {

constexpr auto no = Legality::no;
constexpr auto already = Legality::already;
constexpr auto yes = Legality::yes;

using Row = std::array<Legality, kOperations.size()>;

// clang-format off
constexpr std::array<Row, kStateNames.size()> kTable = {{
    //                   legacy   mirrored new-write new-read fully-cutover pause  resume verify
    /* legacy        */ {already, yes,     no,       no,      no,           no,    no,    no},
    /* mirrored      */ {yes,     already, yes,      no,      no,           yes,   yes,   yes},
    /* new-write     */ {no,      yes,     already,  yes,     no,           no,    no,    yes},
    /* new-read      */ {no,      no,      yes,      already, yes,          no,    no,    yes},
    /* fully-cutover */ {no,      no,      no,       no,      already,      no,    no,    no},
}};
// clang-format on

constexpr std::array<std::string_view, kOperations.size()> kNames = {"rollback to legacy",
                                                                     "advance to mirrored",
                                                                     "advance to new-write",
                                                                     "advance to new-read",
                                                                     "advance to fully-cutover",
                                                                     "pause",
                                                                     "resume",
                                                                     "verify"};

bool is_transition(Operation operation) {
  return operation <= Operation::to_fully_cutover;
}
State destination(Operation operation) {
  return static_cast<State>(operation);
}

std::string legal_here(State state) {
  std::string list;
  for (auto operation : kOperations) {
    if (legality(state, operation) != yes) continue;
    if (!list.empty()) list += ", ";
    bool goes_back = is_transition(operation) && destination(operation) < state;
    list += goes_back ? fmt::format("rollback to {}", name(destination(operation)))
                      : std::string(name(operation));
  }
  return list.empty() ? "nothing" : list;
}

std::string step_forward(const Scope& scope, State to) {
  return fmt::format("run `oxbow advance {} --cohort {} --to {}` first", scope.entity, scope.cohort,
                     name(to));
}

}  // namespace

Legality legality(State state, Operation operation) {
  return kTable[static_cast<std::size_t>(state)][static_cast<std::size_t>(operation)];
}

Operation transition_to(State state) {
  return static_cast<Operation>(state);
}

std::string_view name(Operation operation) {
  return kNames[static_cast<std::size_t>(operation)];
}

std::string refusal(const Scope& scope, State state, Operation operation) {
  auto verdict = legality(state, operation);
  OXBOW_ASSERT(verdict == no, "{} is legal in {}", name(operation), name(state));
  auto here = fmt::format("{} is in `{}`", to_string(scope), name(state));
  if (state == State::fully_cutover) return here + "; there is no way back, recovery goes forward only";
  if (!is_transition(operation)) {
    return fmt::format(
        "{}; `{}` needs `mirrored`: {}", here, name(operation),
        state == State::legacy ? step_forward(scope, State::mirrored) : "legal here: " + legal_here(state));
  }
  bool forward = destination(operation) > state;
  auto next = static_cast<State>(static_cast<int>(state) + (forward ? 1 : -1));
  if (!forward)
    return fmt::format("{}; the way back to `{}` leads over `{}`", here, name(destination(operation)),
                       name(next));
  return fmt::format("{}; the way to `{}` leads over `{}`: {}", here, name(destination(operation)),
                     name(next), step_forward(scope, next));
}

}  // namespace oxbow
