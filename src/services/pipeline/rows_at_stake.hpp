// Rows that wait in quarantine on their way back to legacy: whose they are, what both sides have of them, and
// how they are given up. Functions; the plans outlive the calls.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/envelope/stream_back_facts.hpp"
#include "model/stream_state.hpp"
#include "services/control/data_plane.hpp"
#include "services/pipeline/plan.hpp"
#include "services/pipeline/ports.hpp"

namespace oxbow {

// The reason of rows in the quarantine of the stream there that wait to be read from legacy.
inline constexpr std::string_view kGivenUp = "a rollback has given the new side's row up: legacy's is read";

// Each row once, by its first record: that one says why.
RowsAtStake rows_at_stake(const Plan& back, const std::vector<QuarantineRecord>& records);

// The records of one cohort; those of which nobody can tell whose they are belong to each.
std::vector<QuarantineRecord> records_of(const Plan& back, const std::vector<QuarantineRecord>& records,
                                         const std::string& entity, CohortId cohort);

// What the stream there has to read when these rows are given up, each once. `unsupported` for a row without
// a key, or one whose key legacy cannot have.
Result<std::vector<QuarantineRecord>> given_up(const Plan& there, const Plan& back,
                                               const std::vector<QuarantineRecord>& records);

// What both sides have of these rows, each side at one moment of its own.
Task<std::vector<LostRow>> read_lost_rows(const Plan& there, const Plan& back, const StreamPorts& ports_there,
                                          std::vector<QuarantineRecord> records);

}  // namespace oxbow
