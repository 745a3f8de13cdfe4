// What GET /v1/handovers shows: the handovers that the journal holds, and what they foretell of the next one.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "services/control/journal.hpp"

namespace oxbow {

// Of one entity or of all, the last `limit` of them; the forecast is made of all.
Result<std::string> handovers_json(const Journal& journal, const std::optional<std::string>& entity,
                                   std::size_t limit);

}  // namespace oxbow
