// What the parts of one life of the stream share: who follows the log, who copies ranges, who watches the
// databases. Lives on one executor with one thread, and as long as the session.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/merge/protections.hpp"
#include "flow/apply/applier.hpp"
#include "model/finding.hpp"
#include "model/plane_status.hpp"
#include "ports/finding_store.hpp"
#include "runtime/gate.hpp"
#include "services/control/beat_board.hpp"
#include "services/pipeline/backfill_control.hpp"
#include "services/pipeline/known_homes.hpp"
#include "services/pipeline/plan.hpp"
#include "services/pipeline/ports.hpp"

namespace oxbow {

// What is settled, and by what.
using FindingCloser = std::function<void(const FindingSelection&, const std::string& ending)>;

// What the pipeline lends to a session.
struct SessionContext {
  boost::asio::any_io_executor executor;
  const Spec& spec;
  const Plan& plan;
  const StreamPorts& ports;
  SourceAdmin& source;
  TargetAdmin& target;
  BackfillControl& control;
  const std::map<std::string, std::set<CohortId>>& carried;            // by entity: from source to target
  const std::map<std::string, std::set<CohortId>>& at_home_on_target;  // whose rows there are not ours
  std::function<void(Finding)> report;
  FindingCloser close_findings;
  Protections protections;
  BeatBoard& beats;
  const KnownHomes& homes;
  bool& begins_anew;  // a stream that is there is nobody's, and has to go first
  bool careful =
      false;  // the last session came upon something in the log that can only be taken step by step
};

struct SessionParts {
  explicit SessionParts(SessionContext lent) : context(std::move(lent)), gate(context.executor) {}

  // Closes the findings of rows that left quarantine with the transaction that was just committed.
  void close_released();

  // Of a table that this stream writes: the cohorts whose rows there are at home, so that no change of
  // another cohort may touch them, although both sides may have given out one key. Null: there are none.
  std::shared_ptr<const CohortFilter> spared(std::uint32_t table);

  SessionContext context;
  std::unique_ptr<Applier> applier;

  // Held by the follower from the first event of a group to its commit, and by whoever closes a range: while
  // nobody holds it, the target stands exactly at the stream's position.
  Gate gate;

  StreamStatus status;
  std::map<std::uint32_t, TableStatus> tables;
  std::vector<QuarantineRelease> released;  // in the transaction that is being written
  int waiting_for_log = 0;                  // how many copies can go on only when the stream has moved

 private:
  std::map<std::uint32_t, std::shared_ptr<const CohortFilter>> spared_;  // as it was last asked for
};

}  // namespace oxbow
