/* How the authority over one cohort moves from side to side and back, with everybody who can be in the way:
 * writers who go through the gateway and around it, a stream in each direction, and a plane that may fail or die
 * at each action. docs/handover.md tells the protocol in words and argues why what is left out here may be.
 *
 * The actions, their order and their names are those of src/flow/handover/handover.hpp; a test compares them.
 * Nothing here depends on the C++: this is a second statement of the same protocol, checked by another program.
 *
 *   TRIES         handovers begun one after the other, each towards the side that is not home
 *   DIRECT        writers who go around the gateway, one transaction each
 *   CLIENTS       writers who go through it, one transaction each
 *   TROUBLES      how many times anything may go wrong: an action fails, or only its answer is lost; the plane dies;
 *                 a writer stops for good; a row is quarantined; a server forgets the fence; a write goes around a
 *                 closed guard; an order arrives when its epoch is long over
 *   WITHOUT_...   takes one protection away, or changes the order: spin must find what goes wrong then
 *   GAP_...       lets something happen that the protocol does not protect from: spin must find that, too
 */

#define LEGACY 0
#define NEW 1

/* Modes of a guard. NO_GUARD is how it begins, before install_guards. */
#define OPEN 0
#define NEAR 1
#define FENCED 2
#define CLOSED 3
#define NO_GUARD 4
#define admits(m) ((m) <= NEAR)

#define INSTALL_GUARDS 0
#define START_STREAM_BACK 1
#define ANNOUNCE 2
#define AWAIT_OTHERS 3
#define HOLD 4
#define FENCE 5
#define DRAIN 6
#define MARK 7
#define CATCH_UP 8
#define RECHECK 9
#define ADVANCE_SEQUENCES 10
#define CONFIRM_FENCE 11
#define FLIP 12
#define LEAVE_STREAM 13
#define JOIN_STREAM_BACK 14
#define CLOSE_OLD 15
#define OPEN_NEW 16
#define RELEASE 17
#define END 18
#define REOPEN_OLD 19
#define RELEASE_BACK 20
#define END_WITHOUT_CHANGE 21
#define OVER 22 /* all tries are */

#ifdef WITHOUT_DRAIN_BEFORE_MARK
#undef DRAIN
#undef MARK
#define MARK 6
#define DRAIN 7
#endif
#ifdef WITHOUT_FLIP_BEFORE_OPEN
#undef FLIP
#undef LEAVE_STREAM
#undef JOIN_STREAM_BACK
#undef CLOSE_OLD
#undef OPEN_NEW
#define OPEN_NEW 12
#define FLIP 13
#define LEAVE_STREAM 14
#define JOIN_STREAM_BACK 15
#define CLOSE_OLD 16
#endif
#ifdef WITHOUT_JOIN_BEFORE_OPEN
#undef JOIN_STREAM_BACK
#undef CLOSE_OLD
#undef OPEN_NEW
#define CLOSE_OLD 14
#define OPEN_NEW 15
#define JOIN_STREAM_BACK 16
#endif
#ifdef WITHOUT_OPEN_BEFORE_RELEASE
#undef OPEN_NEW
#undef RELEASE
#define RELEASE 16
#define OPEN_NEW 17
#endif

#define WRITERS (DIRECT + CLIENTS)
#define ORIGIN 8  /* of a log entry: oxbow wrote it, not a user */
#define MARKER 16 /* with the number of the try */

/* A place that must be reached, else the model proves less than it says: handover_test.py asks for each by name. */
#define witness(what) skip

/* ---- the world ---- */

byte mode[2] = NO_GUARD;
byte epoch[2];
byte order[2];       /* the number of the last order that it has carried out */
byte table_lock[2];  /* who holds it, a bit for each writer */
byte shared_lock[2]; /* who wrote at a near guard */
chan log[2] = [8] of { byte }; /* what the stream that begins here has still to read */
int rows[2];                   /* whose rows the tables hold, in order, an octal digit each */
byte next_number[2];           /* of a sequence that both sides have */
byte given_numbers;            /* by either side, a bit each */
bool running[2];               /* a stream reads this log */
bool carries[2];               /* and brings rows of the cohort to the other side */
byte passed[2];                /* the last marker that it read */
bool quarantined[2];           /* a row of this log that the other side refused */
byte rogue;                    /* whose writes went around a closed guard, a bit each */

/* The journal, which survives. */
bit home;
byte journal_epoch = 1;
byte tries = 1; /* the one under way */
bool flipped;

/* The process of oxbow, which does not: the plane, and the gateway. */
byte act = INSTALL_GUARDS;
bool has_looked;
byte others; /* whom the plane waits for */
bool holds;
bit route;

/* An order to a guard whose session broke off, and which its server has still to carry out. */
bool late;
bit late_side;
byte late_mode, late_epoch, late_order;

byte troubles = TROUBLES;

#define old_home (flipped -> 1 - home : home)
#define new_home (1 - old_home)
#define me_bit (1 << me)
#define present_order (tries * OVER + act)

/* ---- guards ---- */

inline set_guard(side, new_mode, new_epoch) {
  if
  :: mode[side] != NO_GUARD ->
    assert(new_epoch >= epoch[side]); /* the epoch of a guard never falls */
    mode[side] = new_mode;
    epoch[side] = new_epoch;
    order[side] = present_order;
    assert(!(admits(mode[LEGACY]) && admits(mode[NEW]))) /* never do both sides admit writes */
  :: else
  fi
}

/* ---- writers: a transaction of one row each ---- */

inline take_number() {
  assert(!(given_numbers & (1 << next_number[side]))); /* no number is given out twice */
  given_numbers = given_numbers | (1 << next_number[side]);
  next_number[side] = next_number[side] + 1
}

/* What is in the log is committed, whether its client learns it or not. */
inline commit() {
  assert(side == home); /* no write is on the wrong side */
  rows[side] = rows[side] * 8 + me + 1;
  if
  :: running[side] -> log[side]!(me + 1)
  :: else
  fi
}

inline let_go() {
  table_lock[side] = table_lock[side] & ~me_bit;
  shared_lock[side] = shared_lock[side] & ~me_bit;
  others = others & ~me_bit
}

proctype writer(byte me; bool by_gateway) {
  bit side;
  byte began; /* in which epoch */

  if
  :: atomic { by_gateway ->
      if
      :: holds -> witness(the_gateway_holds_a_write); !holds
      :: !holds
      fi;
      side = route;
      assert(admits(mode[side]) || mode[side] == NO_GUARD); /* who leaves the gateway finds a home */
      if
      :: journal_epoch == 1 -> witness(the_gateway_sends_to_legacy)
      :: journal_epoch == 2 -> witness(the_gateway_sends_to_the_new_side)
      :: else -> witness(the_gateway_sends_to_legacy_again)
      fi
    }
  :: !by_gateway -> side = LEGACY
  :: !by_gateway && mode[NEW] != NO_GUARD -> side = NEW
  fi;

#ifndef WITHOUT_TABLE_LOCK_FIRST
  atomic { table_lock[side] = table_lock[side] | me_bit; began = journal_epoch };
#endif

  if
  :: atomic { mode[side] == OPEN || mode[side] == NO_GUARD -> began = 0; take_number() }
  :: atomic { mode[side] == NEAR -> began = 0 }; /* between its two looks the world may change */
    atomic {
      shared_lock[side] = shared_lock[side] | me_bit;
      if
#ifdef WITHOUT_SECOND_LOOK
      :: take_number()
#else
      :: admits(mode[side]) -> take_number()
      :: else -> witness(a_fence_comes_between_two_looks); goto over
#endif
      fi
    }
  :: atomic { mode[side] == FENCED -> witness(a_fence_refuses_a_writer); goto over }
  :: atomic { mode[side] == CLOSED ->
      if
      :: began && began < journal_epoch -> witness(a_writer_sleeps_over_the_flip)
      :: else -> witness(a_closed_guard_refuses_a_writer)
      fi;
      goto over
    }
  :: atomic { troubles > 0 -> troubles--; witness(a_writer_stops_before_its_row); goto stopped }
#ifdef GAP_BYPASS
  :: mode[side] == FENCED -> skip
#endif
  :: atomic { mode[side] == CLOSED && side != home && running[side] && troubles > 0 ->
      troubles--;
      rogue = rogue | me_bit;
      log[side]!(me + 1);
      witness(a_write_goes_around_a_closed_guard);
      goto over
    }
  fi;

#ifdef WITHOUT_TABLE_LOCK_FIRST
  table_lock[side] = table_lock[side] | me_bit;
#endif

  if
#ifdef WITHOUT_LOG_BEFORE_UNLOCK
  :: atomic { let_go() }; atomic { commit() }
#else
  :: atomic { commit() }
#endif
  :: witness(a_writer_rolls_back)
  :: atomic { troubles > 0 -> troubles--; witness(a_writer_stops_in_its_transaction); goto stopped }
  fi;

  atomic {
    true; /* spin wants no label in front */
  over:
    began = 0;
    let_go();
    side = 0;
    goto done
  };
stopped:
end_stopped:
  false; /* and keeps its locks for ever */
done:
  skip
}

/* ---- streams: each entry once, in the order of the log; a row and its position are one commit ---- */

#ifdef WITHOUT_ECHO_SUPPRESSION
#define is_echo false
#else
#define is_echo (entry >= ORIGIN)
#endif
#define is_rogue (rogue & (1 << (entry % ORIGIN - 1)))

inline apply() {
  if
  :: rows[1 - from] = rows[1 - from] * 8 + entry % ORIGIN;
    if
    :: running[1 - from] -> log[1 - from]!(ORIGIN + entry % ORIGIN)
    :: else
    fi
  :: troubles > 0 ->
    troubles--;
    quarantined[from] = true;
    witness(a_row_is_quarantined)
  fi
}

proctype stream(bit from) {
  byte entry;

end_of_log:
  do
  :: atomic { log[from]?entry ->
      if
      :: entry >= MARKER -> passed[from] = entry - MARKER
      :: else ->
        if
        :: is_echo -> witness(an_echo_is_recognized)
        :: !is_echo && !carries[from] -> witness(a_row_is_passed_over)
        :: !is_echo && carries[from] && is_rogue ->
          assert(from == home) /* a rogue write is never merged into the home */
        :: !is_echo && carries[from] && !is_rogue -> apply()
        fi
      fi;
      entry = 0
    }
  od
}

/* ---- the plane ---- */

inline carry_out() {
  if
  :: act == INSTALL_GUARDS ->
    witness(install_guards);
    if
    :: mode[LEGACY] == NO_GUARD ->
      mode[LEGACY] = OPEN;
      mode[NEW] = CLOSED;
      epoch[LEGACY] = 1;
      epoch[NEW] = 1
    :: else -> witness(guards_are_there_already)
    fi
  :: act == START_STREAM_BACK ->
    witness(start_stream_back);
#ifndef WITHOUT_STREAM_BACK
    running[new_home] = true
#endif
  :: act == ANNOUNCE ->
    witness(announce);
#ifndef WITHOUT_ANNOUNCEMENT
    set_guard(old_home, NEAR, journal_epoch)
#endif
  :: act == AWAIT_OTHERS -> witness(await_others)
  :: act == HOLD ->
    witness(hold);
#ifndef WITHOUT_HOLD
    holds = true
#endif
  :: act == FENCE ->
    witness(fence);
#ifndef WITHOUT_FENCE
    set_guard(old_home, FENCED, journal_epoch)
#endif
  :: act == DRAIN -> witness(drain)
  :: act == MARK -> witness(mark); log[old_home]!(MARKER + tries)
  :: act == CATCH_UP -> witness(catch_up)
  :: act == RECHECK -> witness(recheck)
  :: act == ADVANCE_SEQUENCES ->
    witness(advance_sequences);
    if
#ifndef WITHOUT_SEQUENCES
    :: next_number[new_home] < next_number[old_home] -> next_number[new_home] = next_number[old_home]
#endif
    :: else
    fi
  :: act == CONFIRM_FENCE -> witness(confirm_fence)
  :: act == FLIP ->
    witness(flip);
    assert(rows[LEGACY] == rows[NEW]); /* nothing is on its way, and both have the same order */
    home = 1 - home;
    journal_epoch++;
    flipped = true
  :: act == LEAVE_STREAM ->
    witness(leave_stream);
#ifndef WITHOUT_LEAVING
    carries[old_home] = false
#endif
  :: act == JOIN_STREAM_BACK ->
    witness(join_stream_back);
#ifndef WITHOUT_JOINING
    carries[new_home] = true
#endif
  :: act == CLOSE_OLD ->
    witness(close_old);
#ifndef WITHOUT_CLOSING
    set_guard(old_home, CLOSED, journal_epoch)
#endif
  :: act == OPEN_NEW -> witness(open_new); set_guard(new_home, OPEN, journal_epoch)
  :: act == RELEASE ->
    witness(release);
#ifndef WITHOUT_RELEASING
    holds = false;
#endif
    route = home
  :: act == END -> witness(end); flipped = false
  :: act == REOPEN_OLD ->
    witness(reopen_old);
#ifndef WITHOUT_REOPENING
    set_guard(old_home, OPEN, journal_epoch - flipped) /* as before: behind a flip it must not come to this */
#endif
  :: act == RELEASE_BACK -> witness(release_back); holds = false; route = home
  :: act == END_WITHOUT_CHANGE -> witness(end_without_change); flipped = false
  fi
}

/* What an action waits for. */

#ifdef WITHOUT_AWAITING
#define awaited true
#else
#define awaited (has_looked && others == 0)
#endif
#ifdef WITHOUT_DRAIN
#define drained true
#else
#define drained (shared_lock[old_home] == 0)
#endif
#ifdef WITHOUT_CATCH_UP
#define caught_up true
#elif defined(WITHOUT_OWN_MARKER)
#define caught_up (passed[old_home] > 0)
#else
#define caught_up (passed[old_home] == tries)
#endif

#define nobody_holds_tables (mode[LEGACY] != NO_GUARD || (table_lock[LEGACY] == 0 && table_lock[NEW] == 0))
#define is_ready                                                                               \
  ((act != INSTALL_GUARDS || nobody_holds_tables) && (act != AWAIT_OTHERS || awaited) &&       \
   (act != DRAIN || drained) && (act != CATCH_UP || caught_up))

#ifdef WITHOUT_RECHECK
#define finds_difference false
#else
#define finds_difference (act == RECHECK && quarantined[old_home])
#endif
#ifdef WITHOUT_CONFIRMATION
#define misses_fence false
#else
#define misses_fence (act == CONFIRM_FENCE && mode[old_home] != FENCED)
#endif

/* Where nothing is announced, a fence is refused; without any announcement the rule has to go with it. */
#if defined(WITHOUT_NEAR_BEFORE_FENCE) || defined(WITHOUT_ANNOUNCEMENT)
#define misses_announcement false
#else
#define misses_announcement (act == FENCE && mode[old_home] != NEAR)
#endif

#ifdef GAP_FORGETTING
#define FORGETS_UNTIL CLOSE_OLD
#else
#define FORGETS_UNTIL CONFIRM_FENCE
#endif

inline send_late(side, new_mode) {
  late = true;
  late_side = side;
  late_mode = new_mode;
  late_epoch = journal_epoch - (flipped && act == REOPEN_OLD);
  late_order = present_order
}

inline lose_order() {
  if
  :: act == ANNOUNCE && !late -> send_late(old_home, NEAR)
  :: act == FENCE && !late -> send_late(old_home, FENCED)
  :: act == CLOSE_OLD && !late -> send_late(old_home, CLOSED)
  :: act == OPEN_NEW && !late -> send_late(new_home, OPEN)
  :: act == REOPEN_OLD && !late && mode[old_home] != NO_GUARD -> send_late(old_home, OPEN)
  :: true
  fi
}

active proctype network() {
end_without_orders:
  do
  :: atomic { late ->
      if
#ifdef WITHOUT_ORDERS
      :: mode[late_side] = late_mode
#else
      :: late_order >= order[late_side] ->
        assert(late_epoch >= epoch[late_side]);
        mode[late_side] = late_mode;
        epoch[late_side] = late_epoch;
        order[late_side] = late_order
      :: else -> witness(a_late_order_is_refused)
#endif
      fi;
      late = false;
      late_side = 0;
      late_mode = 0;
      late_epoch = 0;
      late_order = 0;
      assert(!(admits(mode[LEGACY]) && admits(mode[NEW])))
    }
  od
}

inline give_up() {
  act = REOPEN_OLD;
  has_looked = false;
  others = 0
}

inline fail() {
  if
#ifdef WITHOUT_GOING_FORWARD
  :: act < END -> give_up()
#else
  :: act <= FLIP -> give_up()
#endif
  :: else -> witness(an_action_is_repeated)
  fi
}

/* The process of oxbow ends and begins again; it reads the journal before anything else. */
inline die() {
  if
#ifdef WITHOUT_JOURNAL
  :: true -> act = REOPEN_OLD
#else
  :: !flipped -> act = REOPEN_OLD; witness(a_crash_before_the_flip)
  :: flipped -> act = LEAVE_STREAM; witness(a_crash_behind_the_flip)
#endif
  fi;
  has_looked = false;
  others = 0;
  holds = true;
  route = home
}

inline next_try() {
  has_looked = false;
  others = 0;
  if
  :: tries < TRIES -> tries++; act = INSTALL_GUARDS
  :: else -> act = OVER
  fi
}

active proctype plane() {
again:
  do
  :: act == OVER -> break
  :: atomic { act == AWAIT_OTHERS && !has_looked -> has_looked = true; others = table_lock[old_home] }
  :: atomic { act < OVER && is_ready && !finds_difference && !misses_fence && !misses_announcement ->
      carry_out();
      if
      :: act == END || act == END_WITHOUT_CHANGE -> next_try()
      :: act != END && act != END_WITHOUT_CHANGE -> act++
      :: troubles > 0 && act != END && act != END_WITHOUT_CHANGE -> goto trouble /* it took effect */
      fi
    }
  :: atomic { troubles > 0 && act < OVER -> lose_order(); goto trouble } /* it took none, or not yet */
  :: atomic { finds_difference -> give_up(); witness(a_difference_is_found) }
  :: atomic { misses_fence -> give_up(); witness(a_forgotten_fence_is_noticed) }
  :: atomic { misses_announcement -> give_up(); witness(a_forgotten_announcement_is_noticed) }
#ifndef WITHOUT_DEADLINE
  :: atomic { act < FLIP && !is_ready ->
      if
      :: act == INSTALL_GUARDS -> witness(install_guards_takes_too_long)
      :: act == AWAIT_OTHERS -> witness(await_others_takes_too_long)
      :: act == DRAIN -> witness(drain_takes_too_long)
      :: act == CATCH_UP -> witness(catch_up_takes_too_long)
      fi;
      give_up()
    }
#endif
  :: atomic { troubles > 0 && mode[old_home] == FENCED && act <= FORGETS_UNTIL ->
      troubles--;
      if
      :: mode[old_home] = NEAR
      :: mode[old_home] = OPEN
      fi
    }
  :: atomic { troubles > 0 && mode[old_home] == NEAR && act > ANNOUNCE && act <= FENCE ->
      troubles--;
      mode[old_home] = OPEN;
      late = late && late_side != old_home /* no session outlives its server */
    }
  od;
  goto over;

  atomic {
    true; /* spin wants no label in front */
  trouble:
    troubles--;
    if
#ifdef WITHOUT_CERTAINTY
    :: fail()
#else
    :: !(act == FLIP && flipped) -> fail() /* who does not know whether it is in the journal, dies */
#endif
    :: die()
    fi;
    goto again
  };

over:
  timeout; /* nobody can do anything any more */
  assert(mode[home] == OPEN || mode[home] == NO_GUARD);
  assert(mode[1 - home] == CLOSED || mode[1 - home] == NO_GUARD);
  /* No write is lost, none is there twice, and both sides have the same order. */
  assert(quarantined[LEGACY] || quarantined[NEW] || rows[LEGACY] == rows[NEW]);
  assert(!holds);
  if
  :: journal_epoch == 1 -> witness(nothing_has_moved)
  :: journal_epoch == 2 -> witness(there)
  :: journal_epoch == 3 -> witness(there_and_back)
  :: journal_epoch > 3
  fi
}

init {
  byte i;
  atomic {
    running[LEGACY] = true;
    carries[LEGACY] = true;
    run stream(LEGACY);
    run stream(NEW);
    do
    :: i < DIRECT -> run writer(i, false); i++
    :: i >= DIRECT && i < WRITERS -> run writer(i, true); i++
    :: else -> break
    od;
    i = 0
  }
}
