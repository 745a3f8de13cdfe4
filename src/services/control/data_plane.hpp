// What the control plane asks of the data plane. The pipeline implements it over real databases, a test by
// hand.
//
// All calls come from the control service's executor. By the time of a call its event is already in the
// journal, so a call must be idempotent: after a restart the control service repeats what the journal says is
// in force.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/envelope/stream_back_facts.hpp"
#include "core/routing/data_facts.hpp"
#include "model/cohort.hpp"
#include "model/plane_status.hpp"
#include "model/reader_seen.hpp"
#include "model/spec.hpp"
#include "runtime/task.hpp"
#include "services/control/handover_order.hpp"

namespace oxbow {

// Cohorts of one entity; `cohorts` holds at least one, sorted.
struct MirrorScope {
  std::string entity;
  std::vector<CohortId> cohorts;

  friend bool operator==(const MirrorScope&, const MirrorScope&) = default;
};

// `lines` say, row by row, which side holds it, what its range is doing and whether it waits in quarantine.
struct KeyExplanation {
  std::vector<std::string> lines;
  std::function<bool(const Finding&)> concerns;  // whether a finding is about this key
};

// One row that a rollback would lose, and its fields in the terms of the new side: what is there, and what a
// rollback puts there, which is what legacy has.
struct LostRow {
  struct Field {
    std::string column;
    std::optional<std::string> new_side, legacy;  // none: NULL
  };

  RowAtStake row;
  std::string legacy_table;
  bool on_new = false, on_legacy = false;  // whether the row is there at all
  std::vector<Field> fields;               // that differ; of a row that only one side has, all
};

class DataPlane {
 public:
  virtual ~DataPlane() = default;

  // Adds the cohorts to what is mirrored. Ends when the stream exists on both sides and the backfill can go
  // on by itself, in a halt at once: resume() then sees to it; an error means that nothing is followed,
  // except for `timeout` (it goes on, ask again) and `cancelled` (a halt came in between). What a failed
  // start has left in the databases stays until stop_mirror(). Adding what is mirrored already changes
  // nothing.
  virtual Task<void> start_mirror(MirrorScope scope) = 0;

  // Takes the cohorts out: no change of theirs is applied once it ends. Rows that were copied stay. Where
  // nobody `Others::are_followed`, the stream goes, too, whatever an earlier failure has left of it.
  enum class Others { are_followed, are_not };
  virtual Task<void> stop_mirror(MirrorScope scope, Others others) = 0;

  // Moves the authority over one cohort, or takes a handover up that was interrupted. Ends when all has
  // followed, one way or the other; an error (`cancelled`) means that the journal does not know the end yet,
  // and the next run has to take it up.
  virtual Task<HandoverReport> hand_over(HandoverOrder order, HandoverHost& host) = 0;

  // What the journal says of every cohort of an entity, from now on. Guards that know more stop everything.
  virtual void note_homes(const std::string& entity, std::vector<GuardDuty> homes) = 0;

  // Looks whether the guards of an entity still say what they were told, and tells those again that do not: a
  // server may come back without its last transactions. An entity without guards stays without.
  virtual Task<void> keep_guards(std::string entity, std::vector<GuardDuty> duties) = 0;

  // Lets `exchange` give cohorts of the spec other keys, as `changed` has them, while no stream goes by them;
  // then streams go on by the new ones. An error if they could not, or of `exchange`: then nothing has
  // changed. Not while anything else changes what is carried.
  virtual Task<void> exchange_cohorts(Spec changed, std::function<Status()> exchange) = 0;

  // For the start: cohorts that are at home on the new side, which the stream back carries already. Adding
  // what is followed already changes nothing.
  virtual void follow_home(MirrorScope scope) = 0;

  // For the start, and behind the end of the way back: cohorts that were cut over. Their rows on the new side
  // are nobody's business, whoever is copied beside them, and their guards stay.
  virtual void leave_alone(MirrorScope scope) = 0;

  // Takes the slots of streams that no cohort needs from the servers, which would keep their logs for them.
  virtual Task<void> end_unneeded_streams() = 0;

  // Ends the way back of cohorts: from here on nothing of them goes to legacy.
  virtual Task<void> end_way_back(MirrorScope scope) = 0;

  // For the start: no cohort is mirrored or on its way, so what an earlier run may have left of a stream is
  // of no use to anybody.
  virtual void nothing_is_left() = 0;

  // Holds the backfill of one entity or of all, within 2 s; changes are still applied.
  virtual void pause(std::optional<std::string> entity) = 0;
  virtual void resume(std::optional<std::string> entity) = 0;

  // Stops everything: nothing is copied, applied or compared until resume({}); the legacy side keeps the log
  // for us, within its budget.
  virtual void halt(std::string why) = 0;

  virtual void set_rate(Rate rate) = 0;

  // Begins to compare one entity or everything that is mirrored. `illegal_transition` if that is nothing.
  // rows_per_second_max is of this verification alone; 0: no limit.
  virtual Result<VerifyId> start_verify(std::optional<std::string> entity,
                                        std::uint64_t rows_per_second_max) = 0;
  virtual Result<VerifyReport> verify_report(VerifyId id) const = 0;  // `not_found` for an unknown id

  // Reads rows that wait in quarantine again, with all that happened to them: those of this key as
  // explain_key() takes it, or all. Returns how many; `not_found` if none waits, `illegal_transition` while
  // the stream does not run. Whoever is refused once more stays. Asked before the journal, which holds only
  // orders that could be carried out.
  virtual Result<std::uint64_t> retry_quarantined(std::optional<std::string> key) = 0;

  // Who reads, or could read, the legacy tables of an entity that was cut over. At `thorough` looks what the
  // server has counted since the last one is told, too.
  enum class ReaderLook { quick, thorough };
  virtual Task<ReadersSeen> look_for_readers(std::string entity, ReaderLook look) = 0;

  virtual PlaneStatus status() const = 0;

  // Whether the way back lives, and what waits on it. Quick enough to be asked often.
  virtual StreamBackFacts stream_back() const = 0;

  // Every row of these cohorts that waits on its way back, as both sides have it now.
  virtual Task<std::vector<LostRow>> preview_loss(MirrorScope scope) = 0;

  // New columns of the entity that are filled from legacy and do not go back, as people write them: what is
  // written there on the new side stays behind in a rollback. Empty where a stream does not run.
  virtual std::vector<std::string> left_behind(const std::string& entity) const = 0;

  // While no stream is followed, what was known last. Quick enough to be asked often.
  virtual DataFacts facts() const = 0;

  // What is known of the rows with this key, see core/asked/asked_key.hpp, for `oxbow why`.
  virtual Task<KeyExplanation> explain_key(std::string key) = 0;
};

}  // namespace oxbow
