// Every way that a handover can go, in a small world: two sides with guards, logs and a stream each way,
// writers in transactions, and a plane that may fail at each action, lose its answer, die and come back. All
// interleavings are walked through; what must hold is asked in each state. A protection that is taken away
// must be missed, else this proves nothing.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>

#include "flow/handover/handover.hpp"
#include "model/guard.hpp"

namespace oxbow {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using A = HandoverAction;

constexpr std::size_t kOld = 0, kNew = 1;  // the home of before, and the one that it shall be
constexpr std::uint64_t kEpoch = 1;        // of the authority of before
constexpr int kWriters = 3;
constexpr char kMarker = '#';
constexpr Instant kNow{};

enum class Without {
  nothing,
  awaiting_others,  // of those who wrote before the announcement
  fence,
  drain,
  catch_up,
  confirmation,       // that the old home still knows of the fence
  closing,            // of the old home
  joining,            // of the stream back
  second_look,        // of a writer at a near guard, when it has the lock
  near_before_fence,  // so a guard that has lost the announcement obeys the fence
  order_numbers       // so a guard carries out an order that comes late
};

// One transaction of somebody who knows nothing of gateways.
struct Writer {
  //   locked        has the table's lock and has not met the guard yet
  //   wants_lock    has met a near guard, and is about to take its lock
  //   unknown       has written, and no lock says so
  //   counted       has written, and its lock says so
  enum Phase : char { idle, locked, wants_lock, unknown, counted, over };
  Phase phase = idle;
  std::size_t side = kOld;

  bool is_at_work() const { return phase != idle && phase != over; }
};

struct Side {
  GuardState guard;
  std::string log;       // who committed, in order, and markers
  std::string rows;      // whose rows the tables hold, in order
  std::size_t read = 0;  // how much of the log its stream to the other side has passed
  bool carries = false;  // that stream brings rows of the cohort
};

struct World {
  std::array<Side, 2> sides{Side{.guard = {GuardMode::open, kEpoch}, .carries = true},
                            Side{.guard = {GuardMode::closed, kEpoch}, .carries = false}};
  std::array<Writer, kWriters> writers;
  bool flipped = false, ended = false;  // in the journal
  int crashes_left = 1, failures_left = 1;
  bool may_forget = false;  // the old home's server comes back without the fence

  Handover plane{{}, HandoverBegins::fresh, kNow};
  std::optional<std::set<int>> others;                     // whom the plane waits for
  std::optional<std::pair<std::size_t, GuardState>> late;  // an order to a side that is still on its way
  std::optional<std::size_t> marked_to;                    // length of the old log with the marker

  A action() const {
    auto copy = plane;
    return copy.next(kNow).value_or(A::end);
  }
  bool is_quiet() const {
    for (const auto& writer : writers)
      if (writer.is_at_work()) return false;
    return sides[kOld].read == sides[kOld].log.size() && sides[kNew].read == sides[kNew].log.size();
  }

  std::string fingerprint() const {
    auto out = fmt::format("{} {}{}{}{}{}{} {}", name(action()), plane.given_up().has_value(), flipped, ended,
                           crashes_left, failures_left, may_forget, marked_to.value_or(99));
    for (const auto& side : sides)
      out += fmt::format("|{}{} {} {} {} {}", name(side.guard.mode), side.guard.epoch, side.log, side.rows,
                         side.read, side.carries);
    for (const auto& writer : writers) out += fmt::format(" {}{}", int{writer.phase}, writer.side);
    if (late) out += fmt::format(" late {}{}", late->first, name(late->second.mode));
    if (others)
      for (int other : *others) out += fmt::format(",{}", other);
    return out + (others ? "!" : "");
  }
};

class Explorer {
 public:
  Explorer(Without without, World begin) : without_(without) { reach(std::move(begin)); }

  // What was found wrong first; empty: nothing.
  std::string explore() {
    while (!open_.empty() && wrong_.empty()) {
      auto world = std::move(open_.front());
      open_.pop_front();
      auto before = reached_;
      step(world);
      bool is_stuck = before == reached_ && !world.ended;
      if (is_stuck) wrong_ = "nobody can do anything, and the handover has not ended: " + world.fingerprint();
    }
    return wrong_;
  }

  const std::set<std::string>& marks() const { return marks_; }
  std::size_t states() const { return seen_.size(); }

 private:
  void reach(World world) {
    ++reached_;
    if (auto wrong = wrong_with(world); !wrong.empty() && wrong_.empty())
      wrong_ = wrong + ": " + world.fingerprint();
    if (seen_.insert(world.fingerprint()).second) open_.push_back(std::move(world));
  }

  std::string wrong_with(const World& world) const {
    const auto& [old_home, new_home] = world.sides;
    if (admits(old_home.guard.mode) && admits(new_home.guard.mode)) return "both sides admit writes";
    bool is_as_before = old_home.guard.mode == GuardMode::open && old_home.guard.epoch == kEpoch;
    if (world.ended && !world.flipped && !is_as_before)
      return "nothing has moved, and the old home is not open";
    auto is = [](const Side& side, GuardMode mode) {
      return side.guard.mode == mode && side.guard.epoch == kEpoch + 1;
    };
    bool has_moved = is(old_home, GuardMode::closed) && is(new_home, GuardMode::open);
    if (world.ended && world.flipped && !has_moved)
      return "the authority has moved, and the guards say something else";
    if (world.ended && world.is_quiet() && old_home.rows != new_home.rows) return "a write is lost";
    return "";
  }

  void step(const World& world) {
    for (int i = 0; i < kWriters; ++i) step_writer(world, static_cast<std::size_t>(i));
    for (std::size_t side : {kOld, kNew}) read_log(world, side);
    arrive(world);
    if (world.ended) return;
    forget_last_order(world);
    step_plane(world);
  }

  // ---- writers ----

  void step_writer(const World& world, std::size_t number) {
    const auto& writer = world.writers[number];
    auto become = [&](Writer::Phase phase) {
      auto next = world;
      next.writers[number].phase = phase;
      reach(std::move(next));
    };
    auto mode = world.sides[writer.side].guard.mode;
    switch (writer.phase) {
      case Writer::idle:
        for (std::size_t side : {kOld, kNew}) {
          auto next = world;
          next.writers[number] = {Writer::locked, side};
          reach(std::move(next));
        }
        return;
      case Writer::locked:
        if (!admits(mode)) marks_.insert("a writer is refused");
        return become(mode == GuardMode::open   ? Writer::unknown
                      : mode == GuardMode::near ? Writer::wants_lock
                                                : Writer::over);
      case Writer::wants_lock:
        if (!admits(mode)) marks_.insert("a fence comes between a writer's two looks");
        return become(admits(mode) || without_ == Without::second_look ? Writer::counted : Writer::over);
      case Writer::unknown:
      case Writer::counted: {
        become(Writer::over);  // rolled back
        auto next = world;
        auto id = static_cast<char>('a' + number);
        next.sides[writer.side].log += id;
        next.sides[writer.side].rows += id;
        next.writers[number].phase = Writer::over;
        return reach(std::move(next));
      }
      case Writer::over:
        return;
    }
  }

  void read_log(const World& world, std::size_t from) {
    const auto& side = world.sides[from];
    if (side.read == side.log.size()) return;
    auto next = world;
    auto what = side.log[next.sides[from].read++];
    if (what != kMarker && side.carries) next.sides[1 - from].rows += what;
    reach(std::move(next));
  }

  // ---- the plane ----

  void step_plane(const World& world) {
    auto action = world.action();
    auto next = world;
    next.plane.next(kNow);
    if (!is_ready(next, action)) {
      marks_.insert(fmt::format("{} waits", name(action)));
      if (next.others != world.others) reach(next);
    } else if (action == A::confirm_fence && !knows_of_fence(next)) {
      marks_.insert("a forgotten fence is noticed");
      next.plane.failed({ErrorCode::lost_position, "forgotten"});
      return reach(std::move(next));
    } else if (!carry_out(next, action)) {
      next.plane.failed({ErrorCode::illegal_transition, "the guard does not obey"});
      return reach(std::move(next));
    } else {
      crash(next);
      if (action != A::flip) fail(next);
      next.plane.succeeded(kNow);
      reach(std::move(next));
    }
    crash(world);
    fail(world);
  }

  // Without effect; or with an effect that comes later, when the plane has gone on.
  void fail(World world) {
    if (world.failures_left == 0 || world.ended) return;
    --world.failures_left;
    auto action = world.action();
    world.plane.next(kNow);
    world.plane.failed({ErrorCode::connection_lost, "lost"});
    reach(world);
    if (auto order = order_to_guard(action)) {
      world.late = order;
      reach(std::move(world));
    }
  }

  void arrive(const World& world) {
    if (!world.late) return;
    auto next = world;
    auto [side, state] = *world.late;
    next.late.reset();
    obey(next.sides[side], state);
    reach(std::move(next));
  }

  // As may_follow_sql() says.
  bool obey(Side& side, GuardState state) {
    bool is_late = state.order < side.guard.order && without_ != Without::order_numbers;
    bool is_unannounced = state.mode == GuardMode::fenced && side.guard.mode != GuardMode::near &&
                          side.guard != state && without_ != Without::near_before_fence;
    if (is_unannounced) marks_.insert("a fence is refused where nothing was announced");
    if (is_late || state.epoch < side.guard.epoch) marks_.insert("an order comes too late");
    if (is_late || is_unannounced || state.epoch < side.guard.epoch) return false;
    side.guard = state;
    return true;
  }

  static std::optional<std::pair<std::size_t, GuardState>> order_to_guard(A action) {
    auto order = order_of(action, 1);
    switch (action) {
      case A::announce:
        return std::pair(kOld, GuardState{GuardMode::near, kEpoch, order});
      case A::fence:
        return std::pair(kOld, GuardState{GuardMode::fenced, kEpoch, order});
      case A::close_old:
        return std::pair(kOld, GuardState{GuardMode::closed, kEpoch + 1, order});
      case A::open_new:
        return std::pair(kNew, GuardState{GuardMode::open, kEpoch + 1, order});
      case A::reopen_old:
        return std::pair(kOld, GuardState{GuardMode::open, kEpoch, order});
      default:
        return std::nullopt;
    }
  }

  void crash(World world) {
    if (world.crashes_left == 0 || world.ended) return;
    --world.crashes_left;
    marks_.insert(fmt::format("a crash {} the flip", world.flipped ? "behind" : "before"));
    world.plane = Handover(
        {}, world.flipped ? HandoverBegins::interrupted_behind_flip : HandoverBegins::interrupted_before_flip,
        kNow);
    world.others.reset();
    world.marked_to.reset();
    reach(std::move(world));
  }

  // Beyond the confirmation nothing but the new epoch tells; docs say what that means. Who was at work on
  // that server has ended with it.
  void forget_last_order(const World& world) {
    const auto& guard = world.sides[kOld].guard;
    bool is_fenced = guard.mode == GuardMode::fenced;
    bool has_order = is_fenced || guard.mode == GuardMode::near;
    if (!world.may_forget || !has_order || world.action() > A::confirm_fence) return;
    auto next = world;
    next.may_forget = false;
    next.sides[kOld].guard = is_fenced ? GuardState{GuardMode::near, kEpoch, order_of(A::announce, 1)}
                                       : GuardState{GuardMode::open, kEpoch, {}};
    for (auto& writer : next.writers)
      if (writer.side == kOld && writer.is_at_work()) writer.phase = Writer::over;
    reach(std::move(next));
  }

  bool knows_of_fence(const World& world) const {
    return without_ == Without::confirmation || world.sides[kOld].guard.mode == GuardMode::fenced;
  }

  bool is_ready(World& world, A action) {
    const auto& old_home = world.sides[kOld];
    auto anybody = [&](auto matches) {
      for (int i = 0; i < kWriters; ++i) {
        const auto& writer = world.writers[static_cast<std::size_t>(i)];
        if (writer.is_at_work() && writer.side == kOld && matches(i, writer)) return true;
      }
      return false;
    };
    switch (action) {
      case A::await_others: {
        if (!world.others) {
          world.others.emplace();
          anybody([&](int i, const Writer&) { return world.others->insert(i), false; });
        }
        bool any = anybody([&](int i, const Writer&) { return world.others->contains(i); });
        return !any || without_ == Without::awaiting_others;
      }
      case A::drain:
        return without_ == Without::drain ||
               !anybody([](int, const Writer& writer) { return writer.phase == Writer::counted; });
      case A::catch_up:
        return without_ == Without::catch_up || old_home.read >= world.marked_to.value();
      default:
        return true;
    }
  }

  // False: a guard does not obey.
  bool carry_out(World& world, A action) {
    auto& [old_home, new_home] = world.sides;
    bool is_left_out = (action == A::fence && without_ == Without::fence) ||
                       (action == A::close_old && without_ == Without::closing);
    auto order = order_to_guard(action);
    if (order && !is_left_out && !obey(world.sides[order->first], order->second)) return false;
    switch (action) {
      case A::mark:
        old_home.log += kMarker;
        world.marked_to = old_home.log.size();
        return true;
      case A::flip:
        world.flipped = true;
        return true;
      case A::leave_stream:
        old_home.carries = false;
        return true;
      case A::join_stream_back:
        new_home.carries = without_ != Without::joining;
        return true;
      case A::end:
      case A::end_without_change:
        world.ended = true;
        return true;
      default:
        return true;
    }
  }

  Without without_;
  std::deque<World> open_;
  std::unordered_set<std::string> seen_;
  std::set<std::string> marks_;
  std::size_t reached_ = 0;
  std::string wrong_;
};

World forgetful() {
  World world;
  world.crashes_left = world.failures_left = 0;
  world.may_forget = true;
  return world;
}

TEST(HandoverExplored, NoWriteIsLostAndNoTwoSidesAdmitWritesWhateverHappensWhen) {
  Explorer explorer(Without::nothing, {});
  EXPECT_EQ(explorer.explore(), "");
  EXPECT_GT(explorer.states(), 10'000u);
  EXPECT_THAT(explorer.marks(),
              AllOf(Contains("a writer is refused"), Contains("a fence comes between a writer's two looks"),
                    Contains("await_others waits"), Contains("drain waits"), Contains("catch_up waits"),
                    Contains("a crash before the flip"), Contains("a crash behind the flip"),
                    Contains("an order comes too late")));
}

TEST(HandoverExplored, AnAnnouncementOrAFenceThatTheServerForgetsIsNoticed) {
  Explorer explorer(Without::nothing, forgetful());
  EXPECT_EQ(explorer.explore(), "");
  EXPECT_THAT(explorer.marks(), AllOf(Contains("a forgotten fence is noticed"),
                                      Contains("a fence is refused where nothing was announced")));
}

TEST(HandoverExplored, EachProtectionIsMissedWhereItIsTakenAway) {
  for (auto without :
       {Without::awaiting_others, Without::drain, Without::catch_up, Without::joining, Without::second_look})
    EXPECT_THAT(Explorer(without, {}).explore(), HasSubstr("a write is lost")) << static_cast<int>(without);
  for (auto without : {Without::confirmation, Without::near_before_fence})
    EXPECT_THAT(Explorer(without, forgetful()).explore(), HasSubstr("a write is lost"));
  EXPECT_THAT(Explorer(Without::closing, {}).explore(), HasSubstr("the guards say something else"));
  EXPECT_THAT(Explorer(Without::order_numbers, {}).explore(), HasSubstr("the old home is not open"));
}

// The confirmation misses the fence at once, and gives up: without a fence nothing ever moves.
TEST(HandoverExplored, WithoutAFenceNothingMoves) {
  Explorer explorer(Without::fence, {});
  EXPECT_EQ(explorer.explore(), "");
  EXPECT_THAT(explorer.marks(), Contains("a forgotten fence is noticed"));
}

}  // namespace
}  // namespace oxbow
