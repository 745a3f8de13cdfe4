// The data plane of one migration: the stream to the new side, the stream back, and what works beside them.
// Implements what the control plane asks for. Lives on one executor with one thread; run() is its life.
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
#include "services/pipeline/guard_keeper.hpp"
#include "services/pipeline/handover_connections.hpp"
#include "services/pipeline/known_homes.hpp"
#include "services/pipeline/plan.hpp"
#include "services/pipeline/ports.hpp"
#include "services/pipeline/progress.hpp"
#include "services/pipeline/session_waits.hpp"
#include "services/pipeline/stream.hpp"
#include "services/pipeline/stream_back_watch.hpp"

namespace oxbow {

class Pipeline final : public DataPlane {
 public:
  Pipeline(boost::asio::any_io_executor executor, const Spec& spec, PipelinePorts ports,
           std::function<void(Finding)> report, FindingCloser close_findings, DataFacts known,
           Protections protections, BeatBoard& beats);
  ~Pipeline() override;

  // Works until it is asked to stop.
  Task<void> run();

  Task<void> start_mirror(MirrorScope scope) override;
  Task<void> stop_mirror(MirrorScope scope, Others others) override;
  Task<HandoverReport> hand_over(HandoverOrder order, HandoverHost& host) override;
  Task<void> exchange_cohorts(Spec changed, std::function<Status()> exchange) override;
  void note_homes(const std::string& entity, std::vector<GuardDuty> homes) override {
    homes_.note(entity, std::move(homes));
  }
  Task<void> keep_guards(std::string entity, std::vector<GuardDuty> duties) override {
    return guards_.keep(std::move(entity), std::move(duties));
  }
  void follow_home(MirrorScope scope) override;
  void leave_alone(MirrorScope scope) override;
  Task<void> end_unneeded_streams() override;
  Task<void> end_way_back(MirrorScope scope) override;
  void nothing_is_left() override;
  void pause(std::optional<std::string> entity) override;
  void resume(std::optional<std::string> entity) override;
  void halt(std::string why) override;
  void set_rate(Rate rate) override;
  Result<VerifyId> start_verify(std::optional<std::string> entity,
                                std::uint64_t rows_per_second_max) override;
  Result<VerifyReport> verify_report(VerifyId id) const override;
  Result<std::uint64_t> retry_quarantined(std::optional<std::string> key) override;
  Task<ReadersSeen> look_for_readers(std::string entity, ReaderLook look) override;
  PlaneStatus status() const override;
  StreamBackFacts stream_back() const override { return back_watch_.facts(); }
  Task<std::vector<LostRow>> preview_loss(MirrorScope scope) override;
  std::vector<std::string> left_behind(const std::string& entity) const override;
  DataFacts facts() const override;
  Task<KeyExplanation> explain_key(std::string key) override;

 private:
  void want_streams();
  Task<void> measure_progress();
  Task<void> agree_with_guards();
  Task<void> forget(MirrorScope scope, Others others);
  Task<void> forget_all();
  Task<void> remove_guards(const std::string& entity);
  Status may_part(const MirrorScope& scope) const;
  Status could_go_on_by(const Spec& changed) const;
  Task<void> remove_rows_of(const MirrorScope& scope, const std::vector<QuarantineRecord>& quarantine);
  void close_findings_of(const std::string& entity);
  FindingCloser closer_beside(const Stream& other);
  bool has_two_sides(const std::string& entity) const;
  Task<void> verify(VerifyId id, std::optional<std::string> entity, std::uint64_t rows_per_second_max);
  Task<void> verify_along(Stream& stream, const std::function<bool(const std::string&)>& is_wanted,
                          VerifyReport& report, FindingNames& found, std::uint64_t rows_per_second_max);
  void close_what_is_equal(const VerifyReport& report, WallTime began);
  VerifyReport* find_report(VerifyId id);
  std::vector<TableStatus> table_status() const;
  std::string what_to_do_first() const;

  boost::asio::any_io_executor executor_;
  const Spec& spec_;
  PipelinePorts ports_;
  std::function<void(Finding)> report_;
  FindingCloser close_findings_;
  KnownHomes homes_;
  Stream there_, back_;
  StreamBackWatch back_watch_;
  SessionWaits waits_;
  HandoverConnections handover_connections_;
  GuardKeeper guards_;
  DataFacts facts_;        // as they were while a stream had a plan
  bool is_clean_ = false;  // nothing is followed, and nothing has to be taken back
  struct Speed {
    RateWindow rows, bytes;
  };
  std::map<std::uint32_t, Speed> speeds_;  // of tables that are being copied
  TaskGroup verifications_;
  std::vector<VerifyReport> reports_;
  std::uint64_t next_verify_ = 0;
  bool verifying_ = false;
  std::map<std::string, std::unique_ptr<ReaderSearch>> reader_searches_;  // by entity
};

}  // namespace oxbow
