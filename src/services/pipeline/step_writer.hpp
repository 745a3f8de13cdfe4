// Writes the applier's steps into an open target transaction. A row that the new side rejects is found by
// halving its batch and goes to quarantine; its neighbours are applied. Unique values may change hands among
// all updates of one write(): what clashes waits until everything else was written, and what then still
// clashes while ranges are not settled is read again later. Rows that a change should have met and did not
// become findings. Belongs to the stream's thread.
#pragma once

#include <vector>

#include "ports/target.hpp"
#include "services/pipeline/session_parts.hpp"

namespace oxbow {

// What a rejected row means: it goes to quarantine, or, where the applier has gone on meanwhile and may have
// taken later changes of its key, the write ends with `needs_care`.
enum class OnReject { quarantine, give_up };

class StepWriter {
 public:
  StepWriter(SessionParts& parts, TargetWriter& writer, OnReject on_reject = OnReject::quarantine)
      : parts_(parts),
        plan_(parts.context.plan),
        applier_(*parts.applier),
        writer_(writer),
        on_reject_(on_reject) {}

  Task<void> write(std::vector<WriteStep> steps);

 private:
  Task<void> write_rows(RowWrite write);
  Task<void> write_step(WriteStep step);
  Task<void> settle_clashes();
  Task<void> settle_updates(std::vector<RowWrite> updates);
  Task<void> give_up_row(RowWrite row, Error reason);
  Task<void> quarantine(QuarantineRecord record);
  void report_refused(const QuarantineRecord& record);
  void report_missing(const RowWrite& write, const BatchOutcome& outcome);

  SessionParts& parts_;
  const Plan& plan_;
  Applier& applier_;
  TargetWriter& writer_;
  OnReject on_reject_;
  std::vector<RowWrite> clashing_;  // nothing of them is written yet
  bool settling_ = false;           // what clashes now will clash for ever
};

// Rows [begin, end) of a write, as a write of their own.
RowWrite part_of(const RowWrite& write, std::size_t begin, std::size_t end);

}  // namespace oxbow
