// Keeps the guards on both sides as they were told to be: tells them again what they have forgotten, puts
// back what was switched off or dropped, and guards parts of tables that come later. What may have passed
// meanwhile is a finding. Lives on the pipeline's executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/finding.hpp"
#include "model/spec.hpp"
#include "runtime/gate.hpp"
#include "services/control/handover_order.hpp"
#include "services/pipeline/ports.hpp"

namespace oxbow {

// Of one side, each once.
std::vector<TableName> tables_of_entity(const Spec& spec, const std::string& entity, Side side);

class GuardKeeper {
 public:
  GuardKeeper(boost::asio::any_io_executor executor, const Spec& spec, const PipelinePorts& ports,
              const std::function<void(Finding)>& report)
      : spec_(spec), ports_(ports), report_(report), change_(std::move(executor)) {}

  // One look at the guards of an entity.
  Task<void> keep(std::string entity, std::vector<GuardDuty> duties);

  // Takes the guards of an entity away, on both sides.
  Task<void> take_off(std::string entity);

  // A handover asks by itself whether its guards stand, and must not find put back what was off behind its
  // fence.
  void handover_is_near(std::string entity) { near_ = std::move(entity); }
  void handover_is_over() { near_.reset(); }

  const std::set<std::string>& open_parts() const { return open_parts_; }

 private:
  Task<void> remove_both(const std::string& entity);
  Task<void> mend(Side side, Guards& guards, const std::string& entity, Guards::Mend what);
  void report_without(const std::string& entity, Side side);
  void report_gap(const std::string& entity, Side side, const GuardGap& gap);
  void report_open_part(const std::string& entity, Side side, const Error& why);

  const Spec& spec_;
  const PipelinePorts& ports_;
  const std::function<void(Finding)>& report_;
  Gate change_;
  std::map<Side, std::unique_ptr<Guards>> guards_;  // connected once
  std::optional<std::string> near_;                 // the entity that a handover is under way of
  std::set<std::string> open_parts_;                // keys of findings: what cannot be guarded
};

}  // namespace oxbow
