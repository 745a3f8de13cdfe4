// What the control API shows, as JSON text. Field names are part of the API: they are added to, never
// renamed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ports/finding_store.hpp"
#include "services/control/control_service.hpp"

namespace oxbow {

struct StatusInput {
  const ControlService& service;
  const PlaneStatus& plane;
  std::uint64_t findings_open = 0;
  std::vector<Journal::Entry> last_events;
};

std::string status_json(const StatusInput& input);
// Rows that a rollback of these cohorts would lose, and whether it would be carried out. Where nobody can
// tell, `rows_lost` is null.
std::string preview_json(const ControlService& service, const std::vector<Scope>& scopes,
                         const LossPreview& loss);
std::string ready_json(const std::vector<std::string>& why_not);
std::string verify_json(const VerifyReport& report);
std::string findings_json(const std::vector<StoredFinding>& findings, std::uint64_t total);
std::string count_json(std::string_view of_what, std::uint64_t count);
std::string events_json(const std::vector<Journal::Entry>& entries);
std::string why_json(std::string_view key, const std::vector<std::string>& lines,
                     const std::vector<StoredFinding>& findings);
std::string error_json(const Error& error);

// What a command did, or would do.
std::string outcome_json(const std::vector<Event>& events, bool dry_run, std::optional<VerifyId> verify);

}  // namespace oxbow
