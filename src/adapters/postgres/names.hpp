// What the things that a migration leaves in its databases are called.
#pragma once

#include <string>
#include <string_view>

namespace oxbow::postgres {

inline constexpr std::size_t kIdentifierMax = 63;

// `prefix` and the migration's name as an identifier of [a-z0-9_]. Names that do not fit are shortened and
// told apart by a hash, so two migrations never share one.
std::string identifier_for(std::string_view prefix, std::string_view migration,
                           std::size_t size_max = kIdentifierMax);

std::string slot_name(std::string_view migration);   // oxbow_payments; of the publication, too
std::string watch_name(std::string_view migration);  // oxbow_watch_payments: the triggers
std::string watch_truncate_name(std::string_view migration);
std::string beat_name(std::string_view migration);  // the sequence
std::string identity_trigger_name(std::string_view migration);
std::string origin_name(std::string_view migration, int lane);                    // oxbow:payments:fwd:0
std::string application_name(std::string_view migration, std::string_view role);  // oxbow:payments:lane 0

}  // namespace oxbow::postgres
