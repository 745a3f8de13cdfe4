// Whether the journal knows all that the guards do. The authority moves in the journal first, so a guard that
// is ahead of it has been told by a newer journal than this one: what follows from this one could be copied
// over a home.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/guard.hpp"
#include "model/spec.hpp"
#include "services/control/handover_order.hpp"
#include "services/pipeline/ports.hpp"

namespace oxbow {

// In which way the guards of one side contradict the journal; none: they do not.
std::optional<std::string> contradiction(const EntitySpec& entity, Side side,
                                         const std::vector<GuardState>& guards,
                                         const std::vector<GuardDuty>& journal);

// Why a spec with these changes cannot be in force while a cohort of the entity is at home on the new side;
// none: there are none.
std::optional<std::string> contradiction(const EntitySpec& entity, Side side, const TableChanges& changes);

class KnownHomes {
 public:
  KnownHomes(const Spec& spec, const PipelinePorts& ports) : spec_(spec), ports_(ports) {}

  // What the journal says of every cohort of the entity at this moment.
  void note(const std::string& entity, std::vector<GuardDuty> journal) {
    journal_[entity] = std::move(journal);
  }

  // Whether guards keep users from writing this cohort on that side, because it is at home on the other one.
  bool is_elsewhere(const std::string& entity, CohortId cohort, Side side) const;

  // Asks the guards on both sides. `illegal_transition` if the journal knows less than they do, or the spec
  // has other tables while a cohort is at home on the new side.
  Task<void> agree_with_guards() const;

 private:
  const Spec& spec_;
  const PipelinePorts& ports_;
  std::map<std::string, std::vector<GuardDuty>> journal_;  // by entity
};

}  // namespace oxbow
