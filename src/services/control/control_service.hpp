// The control plane of one migration: commands become events in the journal, and the data plane is made to
// follow the journal. What a crash interrupts is taken up again by the next run(), because only the journal
// says what is in force. Everything runs on one executor with one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/envelope/envelope.hpp"
#include "core/gate/gate.hpp"
#include "model/spec.hpp"
#include "ports/finding_store.hpp"
#include "services/control/data_plane.hpp"
#include "services/control/journal.hpp"
#include "services/control/traffic_plane.hpp"

namespace oxbow {

// What the service works with; all of it outlives the service.
struct ControlParts {
  Spec& spec;  // take_over() changes it
  EventStore& events;
  FindingStore& findings;
  DataPlane& plane;
  std::function<WallTime()> now;
  // What requests are decided by: an order once it is in the journal, facts within a tenth of a second.
  std::function<void(const Lifecycle&, const DataFacts&)> on_change = [](const Lifecycle&, const DataFacts&) {
  };
  const TrafficPlane* traffic = nullptr;  // none: there is no gateway
};

// What a rollback would lose, as it was looked at; `unread` says why it could not be.
struct LossPreview {
  std::vector<LostRow> rows;
  std::optional<Error> unread;
};

class ControlService {
 public:
  // Reads the journal and takes the spec over. `illegal_transition` if the spec contradicts what is in force.
  static Result<std::unique_ptr<ControlService>> open(boost::asio::any_io_executor executor,
                                                      ControlParts parts);
  ~ControlService();

  // Makes the data plane follow the journal until it is asked to stop.
  Task<void> run();

  // Journals a command and sets going what it asks for; transitions end later, see lifecycle() and problem().
  Result<std::vector<Event>> execute(const Command& command);

  // The same without any effect.
  Result<std::vector<Event>> rehearse(const Command& command) const;

  // Takes cohorts, gates, routes and read classes of another spec of the same migration over, as a start with
  // it would; nothing else of it. `illegal_transition` if keys would move that must not, or entities, their
  // tables or keys are others; `incomplete` while any of them is on its way somewhere: ask again. Either way
  // the spec before stays in force.
  Task<void> take_over(Spec changed);

  // Journals the begin; the end is journaled when the data plane is done.
  // REQUIRES: command.wish is a BeginVerify.
  Result<VerifyId> verify(const Command& command, std::uint64_t rows_per_second_max);

  // What has ended is in the journal before anybody hears of it here.
  Result<VerifyReport> verify_report(VerifyId id);

  // Journals the order and has quarantined rows read again. Returns how many.
  // REQUIRES: command.wish is a RetryQuarantined.
  Result<std::uint64_t> retry_quarantined(const Command& command);

  // Closes findings by hand, which is journaled with the reason. `not_found` if none is open.
  // REQUIRES: command.wish is a CloseFindings, and stands for `which`.
  Result<std::uint64_t> close_findings(const Command& command, const FindingSelection& which);

  const Lifecycle& lifecycle() const;
  const DataFacts& facts() const;  // as told to on_change()
  const Journal& journal() const;
  const ControlParts& parts() const;
  WallTime started_at() const;
  Rate rate() const;  // what an operator ordered, else what the spec says

  // What is being done in a handover of the cohort, and whom it waits for.
  std::optional<std::string> doing(const Scope& scope) const;

  // What a rollback of the cohort would lose.
  Envelope envelope(const Scope& scope) const;

  // Whether the spec's conditions for entering the state hold for the cohort at this moment.
  Result<GateReport> gate(const Scope& scope, State to) const;

  // Whose way back is worth nothing at this moment, and why; empty: nobody's.
  std::vector<std::string> why_not_ready() const;

  // Every row that a rollback of these cohorts would lose, as far as they can be read.
  Task<LossPreview> preview_loss(std::vector<Scope> scopes) const;

  // Those that a command means, in the order of the spec. `not_found` if there is none.
  Result<std::vector<Scope>> scopes_of(const std::string& entity,
                                       const std::optional<std::string>& cohort) const;

  // Why a cohort is not where the journal says it should be; it is tried again unless only a person can help.
  std::optional<Error> problem(const Scope& scope) const;

 private:
  struct Impl;
  explicit ControlService(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow
