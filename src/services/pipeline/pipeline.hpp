// The data plane of one migration: sessions of the stream one after the other, with a pause that grows while
// they fail, verifications and a watch beside them. Implements what the control plane asks for. Lives on one
// executor with one thread; run() is its life.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/merge/protections.hpp"
#include "model/finding.hpp"
#include "runtime/task_group.hpp"
#include "services/control/data_plane.hpp"
#include "services/pipeline/backfill_control.hpp"
#include "services/pipeline/database_watch.hpp"
#include "services/pipeline/plan.hpp"
#include "services/pipeline/ports.hpp"
#include "services/pipeline/progress.hpp"
#include "services/pipeline/stream_at_rest.hpp"
#include "services/pipeline/stream_session.hpp"

namespace oxbow {

class Pipeline final : public DataPlane {
 public:
  Pipeline(boost::asio::any_io_executor executor, const Spec& spec, PipelinePorts ports,
           std::function<void(Finding)> report, FindingCloser close_findings, DataFacts known,
           Protections protections);
  ~Pipeline() override;

  // Works until it is asked to stop.
  Task<void> run();

  Task<void> start_mirror(MirrorScope scope) override;
  Task<void> stop_mirror(MirrorScope scope, Others others) override;
  void nothing_is_left() override { is_clean_ = begins_anew_ = true; }
  void pause(std::optional<std::string> entity) override;
  void resume(std::optional<std::string> entity) override;
  void halt(std::string why) override;
  void set_rate(Rate rate) override;
  Result<VerifyId> start_verify(std::optional<std::string> entity,
                                std::uint64_t rows_per_second_max) override;
  Result<VerifyReport> verify_report(VerifyId id) const override;
  Result<std::uint64_t> retry_quarantined(std::optional<std::string> key) override;
  PlaneStatus status() const override;
  DataFacts facts() const override;
  Task<KeyExplanation> explain_key(std::string key) override;

 private:
  bool may_follow() const;
  Task<void> follow();
  Task<void> run_session();
  Task<void> join_session();
  Task<void> measure_progress();
  Task<void> connect();
  Task<void> make_ready();
  Task<void> refuse_if_unprepared(const Catalog& legacy, const Catalog& new_side);
  Task<void> forget(MirrorScope scope, Others others);
  Task<void> forget_all();
  Status may_part(const MirrorScope& scope) const;
  Task<void> remove_rows_of(const MirrorScope& scope, const std::vector<QuarantineRecord>& quarantine);
  void close_findings_of(const std::string& entity);
  Task<void> verify(VerifyId id, std::optional<std::string> entity, std::uint64_t rows_per_second_max);
  Task<void> end_verifications();
  VerifyReport* find_report(VerifyId id);
  void fail(Error error);
  std::vector<TableStatus> table_status() const;
  std::string why_it_does_not_follow() const;
  std::string what_to_do_first() const;

  boost::asio::any_io_executor executor_;
  const Spec& spec_;
  PipelinePorts ports_;
  std::function<void(Finding)> report_;
  FindingCloser close_findings_;
  Protections protections_;

  std::unique_ptr<SourceAdmin> source_;
  std::unique_ptr<TargetAdmin> target_;
  std::optional<Plan> plan_;
  BackfillControl control_;
  DatabaseWatch watch_;
  std::map<std::string, std::set<CohortId>> mirrored_;
  DataFacts facts_;  // cohorts as the session before has left them
  std::unique_ptr<StreamSession> session_;
  bool is_clean_ = false;         // nothing is followed, and nothing has to be taken back
  bool begins_anew_ = false;      // whatever the databases hold of a stream is nobody's any more
  bool in_session_ = false;       // from its connections to their end
  TaskGroup* joining_ = nullptr;  // cohorts on their way into the present session
  StreamStatus last_stream_;      // of the session before
  std::optional<LastLag> last_lag_;
  struct Speed {
    RateWindow rows, bytes;
  };
  std::map<std::uint32_t, Speed> speeds_;     // of tables that are being copied
  std::unique_ptr<TaskGroup> session_tasks_;  // of the present session
  std::unique_ptr<TaskGroup> verifications_;  // of the present session
  std::vector<VerifyReport> reports_;
  std::uint64_t next_verify_ = 0;
  bool verifying_ = false;
  bool stopping_cohorts_ = false;
  std::string halted_;            // by a person, and why; empty: it is not
  std::optional<Error> failure_;  // what only a person can mend
  bool careful_ = false;          // until a session has got past what it came upon
  Error last_error_{ErrorCode::internal, {}};
  StreamPhase phase_ = StreamPhase::none;
};

}  // namespace oxbow
