// Takes a migration out of both databases: guards, the stream back, the stream there. Each step may be done
// twice, so what a crash interrupts is finished by the next run. Runs as one task.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/guard.hpp"
#include "model/spec.hpp"
#include "ports/admin.hpp"
#include "ports/guards.hpp"
#include "services/control/journal.hpp"

namespace oxbow {

class Removal {
 public:
  using Tell = std::function<void(Side, const std::string&)>;

  // Tells each thing that it has done. `journal`, which may be null, and `spec` outlive it.
  Removal(const Spec& spec, Journal* journal, bool open_both_sides, Tell tell)
      : spec_(spec), journal_(journal), open_both_sides_(open_both_sides), tell_(std::move(tell)) {}

  // `illegal_transition`, and nothing is changed, while a cohort is at home on the new side or in a handover,
  // unless both sides may be open.
  Task<void> run();

  // What is gone from the databases is written down, so that the journal stays true.
  Status journal_end();

  std::vector<std::string> left_on_new() const;  // cohorts whose way back has ended

 private:
  using GuardsOfSide = std::map<std::string, std::vector<GuardState>>;  // by entity

  Task<GuardsOfSide> read_guards(Side side);
  Status refuse_homes(const GuardsOfSide& on_legacy, const GuardsOfSide& on_new) const;
  std::string what_is_at_stake(const Scope& scope, bool has_guards, const GuardState* on_legacy) const;
  Status journal_end_of_way_back();
  Status end_handover(const Scope& scope);
  Task<void> remove_guards(Side side);
  Task<void> remove_stream(TargetAdmin& target, SourceAdmin& source, Side target_side);
  void tell_all(Side side, const std::vector<std::string>& done) const;
  const std::string& database(Side side) const;

  const Spec& spec_;
  Journal* journal_;
  bool open_both_sides_;
  Tell tell_;
};

}  // namespace oxbow
