// How the authority over one cohort moves from the side that has it to the other: which step comes next, when
// to give up, and what a restart does. Sans-IO: next() names an action, the driver carries it out and reports
// what came of it. Every action may be done twice. Belongs to one thread.
//
//   prepare   guards, the stream back, the guard of the old home near       users notice nothing
//   pause     hold, fence, drain, mark, catch up, recheck, confirm          new writes of the cohort wait
//   flip      one record in the journal: the only point of no return
//   settle    streams change hands, the old home closes, the new opens      as long as it takes
//
// Whatever fails before the flip leads back: the old home opens again, and nothing has moved. Behind the flip
// there is no way but forward: an action that fails is done again. Never does lag decide, only the marker.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/time.hpp"
#include "model/guard.hpp"

namespace oxbow {

// In the order of a handover that goes well; behind `end` stands the way back.
enum class HandoverAction {
  install_guards,      // on both sides; the old home's admits, the new one's is closed
  start_stream_back,   // from the new home to the old one, still without this cohort
  announce,            // the old home's guard: near
  await_others,        // everybody who wrote there before the announcement has ended
  hold,                // the gateway keeps new writes of the cohort
  fence,               // the old home's guard, which must still be near: fenced
  drain,               // everybody who has written rows of the cohort has ended
  mark,                // a marker in the old home's log
  catch_up,            // the new home has everything before the marker
  recheck,             // what of the cohort was written since its last proof is equal, nothing is quarantined
  advance_sequences,   // of the new home, past every number given out by the old one
  confirm_fence,       // the old home still knows of the fence: its server has forgotten nothing
  flip,                // the journal records the new authority
  leave_stream,        // the stream to the new home lets the cohort go
  join_stream_back,    // the stream back takes the cohort, from here on
  close_old,           // the old home's guard: closed
  open_new,            // the new home's guard: open
  release,             // the gateway sends the writes that it kept to the new home
  end,                 // the journal records that it is done
  reopen_old,          // the old home's guard: open, as before; where it has none, nothing
  release_back,        // the gateway sends the writes that it kept to the old home
  end_without_change,  // the journal records why it was given up
};

inline constexpr std::array kHandoverActionNames = {std::string_view("install_guards"),
                                                    std::string_view("start_stream_back"),
                                                    std::string_view("announce"),
                                                    std::string_view("await_others"),
                                                    std::string_view("hold"),
                                                    std::string_view("fence"),
                                                    std::string_view("drain"),
                                                    std::string_view("mark"),
                                                    std::string_view("catch_up"),
                                                    std::string_view("recheck"),
                                                    std::string_view("advance_sequences"),
                                                    std::string_view("confirm_fence"),
                                                    std::string_view("flip"),
                                                    std::string_view("leave_stream"),
                                                    std::string_view("join_stream_back"),
                                                    std::string_view("close_old"),
                                                    std::string_view("open_new"),
                                                    std::string_view("release"),
                                                    std::string_view("end"),
                                                    std::string_view("reopen_old"),
                                                    std::string_view("release_back"),
                                                    std::string_view("end_without_change")};

constexpr std::string_view name(HandoverAction action) {
  return kHandoverActionNames[static_cast<std::size_t>(action)];
}

// Of what an action orders a guard: later orders have larger numbers, as long as `attempt` grows from one
// handover of the cohort to the next.
constexpr GuardOrder order_of(HandoverAction action, std::uint64_t attempt) {
  return GuardOrder(attempt * kHandoverActionNames.size() + static_cast<std::uint64_t>(action));
}

struct HandoverLimits {
  Duration prepare_max = std::chrono::seconds(60);       // users notice nothing of it
  Duration pause_max = std::chrono::milliseconds(1000);  // writes of the cohort wait at most so long
};

// What the journal knows of a handover when it is taken up.
enum class HandoverBegins { fresh, interrupted_before_flip, interrupted_behind_flip };

class Handover {
 public:
  Handover(HandoverLimits limits, HandoverBegins begins, Instant now);

  // What to do now; nothing: it has ended. Asks for the same again until it has succeeded, or is given up.
  std::optional<HandoverAction> next(Instant now);

  // How long the present action may take at most; behind the flip there is no limit.
  std::optional<Duration> time_left(Instant now) const;

  void succeeded(Instant now);

  // It took effect, or not, or only the answer was lost. Not so with the flip: it is certainly not in the
  // journal; whoever does not know that must end, and read the journal again.
  void failed(Error error);

  // It waits for somebody: ask again in a moment.
  void not_yet(Error what_it_waits_for) { waits_for_ = std::move(what_it_waits_for); }

  // An operator calls it back. False behind the flip, where it is too late.
  bool call_back();

  bool is_before_flip() const { return action_ <= HandoverAction::flip; }
  bool is_behind_flip() const { return action_ > HandoverAction::flip && action_ <= HandoverAction::end; }
  const std::optional<Error>& waits_for() const { return waits_for_; }
  const std::optional<Error>& given_up() const { return given_up_; }  // why, if it was
  std::optional<Duration> pause() const;  // from hold to release, as soon as both have happened

 private:
  void give_up(Error why);
  std::optional<Error> overdue(Instant now) const;

  HandoverLimits limits_;
  HandoverAction action_;
  bool ended_ = false;
  Instant began_;
  std::optional<Instant> held_, released_;
  std::optional<Error> waits_for_, given_up_;
};

}  // namespace oxbow
