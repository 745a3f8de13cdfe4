// One course of a migration: sessions of its stream one after the other, with a pause that grows while they
// fail. Runs while it is wanted and nothing holds it back. Whoever works with a session is a guest of it, and
// has left before the session is gone. Lives on the pipeline's executor, with one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/merge/protections.hpp"
#include "model/course.hpp"
#include "model/finding.hpp"
#include "runtime/task_group.hpp"
#include "services/pipeline/backfill_control.hpp"
#include "services/pipeline/plan.hpp"
#include "services/pipeline/ports.hpp"
#include "services/pipeline/source_watch.hpp"
#include "services/pipeline/stream_at_rest.hpp"
#include "services/pipeline/stream_session.hpp"

namespace oxbow {

using CohortSets = std::map<std::string, std::set<CohortId>>;  // by entity

class Stream {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    const Spec& spec;
    Course course;
    StreamPorts ports;
    std::function<void(Finding)> report;
    FindingCloser close_findings;
    Protections protections;
    BeatBoard& beats;
    const KnownHomes& homes;
    std::function<Task<void>()> may_begin;  // an error: nothing is written by this stream
  };

  explicit Stream(Parts parts);
  ~Stream();

  // Works until it is asked to stop.
  Task<void> run();

  // Whether anybody needs it.
  void want(bool wanted) { wanted_ = wanted; }
  bool is_wanted() const { return wanted_; }

  // The cohorts that it carries from source to target, and those that are at home on its target, whose rows
  // there are none of its business.
  CohortSets& carried() { return carried_; }
  const CohortSets& carried() const { return carried_; }
  CohortSets& at_home_on_target() { return at_home_on_target_; }

  void halt(std::string why);
  void resume();
  void rest(bool resting) { resting_ = resting; }  // no new session begins meanwhile
  const std::string& halted() const { return halted_; }
  const std::optional<Error>& failure() const { return failure_; }
  void forget_failure() { failure_.reset(); }

  // Whatever the databases hold of a stream is nobody's any more.
  void begin_anew() { begins_anew_ = true; }

  // Connections, the migration's lock and the plan. The plan lives as long as the
  // connections; whoever needs it longer keeps it.
  Task<void> connect();
  Task<void> make_ready();
  bool is_in_session() const { return in_session_; }
  SourceAdmin& source() { return *source_; }  // REQUIRES: connect()
  TargetAdmin& target() { return *target_; }
  std::shared_ptr<const Plan> plan() const { return plan_; }  // null: there is none at this moment
  Task<void> end_session();                                   // and waits for it
  void forget_plan() { plan_.reset(); }                       // REQUIRES: !is_in_session()

  // The stream is gone from both databases.
  void forgotten();

  // Null while nothing is followed. Valid until the caller waits for anything, but for its guests.
  StreamSession* following() const;
  StreamSession* session() const { return session_.get(); }

  // Runs `visit` with the session; it is asked to stop before the session ends. `connection_lost` if none
  // follows, or it ended meanwhile.
  Task<void> visit(std::function<Task<void>(StreamSession&)> visit);

  // Until a session follows; `timeout` with what it waits for.
  Task<void> wait_until_following(Duration patience);

  const Parts& parts() const { return parts_; }
  BackfillControl& control() { return control_; }
  const BackfillControl& control() const { return control_; }
  StreamStatus status() const;
  const std::string& why_source_is_not_ready() const { return watch_.why_not_ready(); }
  std::string why_it_does_not_follow() const;

  // What the cohorts were when the last session ended, or are now; none: there was no session yet.
  std::optional<CohortSets> copied_cohorts() const;

 private:
  bool may_follow() const;
  Task<void> follow();
  Task<void> run_session();
  Task<void> see_guests_off();
  Task<Plan> plan_for(const Catalog& source, const Catalog& target, bool has_stream);
  Task<void> refuse_if_unprepared(const Catalog& legacy, const Catalog& new_side);
  void fail(Error error);

  Parts parts_;
  BackfillControl control_;
  SourceWatch watch_;
  CohortSets carried_, at_home_on_target_;
  std::unique_ptr<SourceAdmin> source_;
  std::unique_ptr<TargetAdmin> target_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<StreamSession> session_;
  std::unique_ptr<TaskGroup> session_tasks_;
  std::list<TaskGroup*> guests_;
  bool wanted_ = false;
  bool resting_ = false;
  bool in_session_ = false;  // from its connections to their end
  bool begins_anew_ = false;
  bool careful_ = false;          // until a session has got past what it came upon
  std::string halted_;            // by a person, and why; empty: it is not
  std::optional<Error> failure_;  // what only a person can mend
  Error last_error_{ErrorCode::internal, {}};
  StreamPhase phase_ = StreamPhase::none;
  StreamStatus last_stream_;  // of the session before
  std::optional<LastLag> last_lag_;
  std::optional<CohortSets> last_copied_;
};

}  // namespace oxbow
