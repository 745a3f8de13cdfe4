// What was written since both sides were found equal, compared again before the authority moves: most of it
// while users still write, and the rest in the pause, when both sides are at rest. Lives on the pipeline's
// executor, as long as one handover.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "services/pipeline/stream.hpp"

namespace oxbow {

class HandoverRecheck {
 public:
  struct Parts {
    const Spec& spec;
    const EntitySpec& entity;
    CohortId cohort;
    Stream& stream;  // to the new home
    const std::map<Side, std::unique_ptr<SnapshotReader>>& readers;
    std::function<void(Finding)> report;
    FindingCloser close_findings;
  };

  explicit HandoverRecheck(Parts parts) : parts_(std::move(parts)) {}

  // Ahead of the pause: a session that is opened while writes wait would make them wait for that, too.
  Task<void> connect();

  // Whether a verification has found all of the cohort equal since this stream runs, so that it is known what
  // was written behind it.
  bool is_proven(StreamSession& session) const;

  // Compares while users write, until few keys are left; not those that are `given_up`. `illegal_transition`
  // if a row differs, and nothing is proven any more; the same of finish().
  Task<void> shorten(StreamSession& session, const std::vector<QuarantineRecord>& given_up);

  // Compares the rest, and every key that waits in quarantine if none is `given_up`. Returns how many there
  // were. REQUIRES: nobody writes the cohort, and the stream has brought all of it
  Task<std::size_t> finish(StreamSession& session, const std::vector<QuarantineRecord>& given_up);

 private:
  std::size_t changed(StreamSession& session) const;
  TouchedKeys::Keys take_changed(StreamSession& session, const std::vector<QuarantineRecord>& given_up) const;
  Task<void> compare(StreamSession& session, const TouchedKeys::Keys& keys, bool at_rest);

  Parts parts_;
};

}  // namespace oxbow
