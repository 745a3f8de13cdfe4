// The two streams of a migration, and how the transactions that they write name themselves in the log
// (PostgreSQL: replication origins), so that each knows the writes of the other.
#pragma once

#include <string>
#include <string_view>

namespace oxbow {

// From legacy to the new side, and back. A blank stands in no migration's name.
inline std::string stream_there(std::string_view migration) {
  return std::string(migration);
}
inline std::string stream_back(std::string_view migration) {
  return std::string(migration) + " back";
}

inline std::string origin_prefix(std::string_view stream) {
  return "oxbow:" + std::string(stream) + ":";
}

}  // namespace oxbow
