// A protection of the handover that is taken away. A simulation that does not notice proves nothing.
#pragma once

namespace oxbow::sim {

enum class Flaw {
  none,
  table_lock_last,        // a writer looks at the guard before he has the table's lock
  no_announcement,        // the old home's guard is never near
  no_awaiting,            // nobody waits for who wrote before the announcement
  awaiting_of_sessions,   // nor for who has prepared his transaction before it
  no_second_look,         // who got the lock at a near guard does not read the guard again
  guard_in_snapshot,      // the guard is read like a row, so REPEATABLE READ sees an old one
  truncate_judged_once,   // a TRUNCATE asks one guard, and not those of all cohorts
  recheck_while_reading,  // rows that are still to be read anew do not stop the flip
  guard_remembered,       // a session believes what the guard said when it made up its mind
  fence_over_anything,    // a guard that has lost the announcement obeys the fence
  no_fence,               // nor does anybody miss it
  no_drain,               // nobody waits for who wrote at a near guard
  drain_of_sessions,      // a prepared transaction is not waited for
  impatient_drain,        // who is stopped is waited for, but not for long
  mark_before_drain,      // the marker says nothing of who has not ended
  no_catch_up,            // the flip comes before the marker has passed the stream
  any_marker,             // the marker of an earlier try counts, too
  recheck_by_source,      // what stands on the new home in the place of a refused row is not looked at
  no_recheck,             // a row in quarantine does not stop the flip
  recheck_of_one_table,   // the other tables of the entity are not looked at
  numbers_close_by,       // a thousand numbers lie between two homes
  numbered_apart_late,    // the new home's numbers stay where they are until the pause
  no_sequences,           // the new home numbers rows from where it stands
  no_way_forward,         // what fails behind the flip leads back
  log_end_unread,         // a source that ends before what its target has applied goes on
  beat_unread,            // so does one that has written over what it lost
  slot_unread,            // a target that came back from a backup goes on behind a gap
  no_confirmation,        // a fence that a server has lost is not missed
  flip_after_open,        // the new home opens while the journal says that the old one is home
  resumes_backwards,      // after a crash every handover is led back, flip or not
  silence_is_success,     // an action that nobody answers for counts as done
  flip_taken_for_lost,    // an answer that was lost counts as a record that is not there
  no_leaving,             // the stream to the new home keeps the cohort
  changes_at_rest,        // streams let cohorts go, and take them, between two groups only
  joins_one_table,        // the stream back takes the cohort in the first table of the entity only
  join_after_open,        // the stream back takes the cohort when the new home is open already
  no_echo_suppression,    // a stream brings home what the other one has brought
  no_closing,             // the old home stays fenced
  no_reopening,           // a handover that was given up leaves the old home fenced
  gateway_forgets,        // a gateway that comes back does not hold what is under way
  no_hold,                // the gateway sends clients into the fence
  release_before_open,    // kept writes are sent to a new home that is still closed
  no_release,             // the gateway keeps writes for ever
  no_deadline,            // a handover waits for a stopped writer as long as he likes
  old_orders_accepted,    // a guard carries out an order that comes late
  unlocked_before_logged  // a commit lets its locks go before it is in the log
};

}  // namespace oxbow::sim
