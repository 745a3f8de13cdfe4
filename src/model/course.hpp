// The two streams of a migration: from legacy to the new side, and back. How the transactions that they write
// name themselves in the log (PostgreSQL: replication origins), so that each knows the writes of the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/side.hpp"

namespace oxbow {

enum class Course { there, back };

constexpr Course other(Course course) {
  return course == Course::there ? Course::back : Course::there;
}
constexpr Side source_of(Course course) {
  return course == Course::there ? Side::legacy : Side::new_side;
}
constexpr Side target_of(Course course) {
  return other(source_of(course));
}

// What a stream calls itself and all that is its own. A blank stands in no migration's name.
inline std::string stream_name(std::string_view migration, Course course) {
  return std::string(migration) + (course == Course::there ? "" : " back");
}

// What people call it.
constexpr std::string_view words_for(Course course) {
  return course == Course::there ? "stream to the new side" : "stream back to legacy";
}

// How a beat of the source stands in its log.
inline std::string beat_prefix(std::string_view stream) {
  return "beat " + std::string(stream) + " ";
}
inline std::string beat_marker(std::string_view stream, std::uint64_t number) {
  return beat_prefix(stream) + std::to_string(number);
}

constexpr std::string_view migration_of(std::string_view stream) {
  return stream.substr(0, stream.find(' '));
}

inline std::string origin_prefix(std::string_view stream) {
  return "oxbow:" + std::string(stream) + ":";
}

}  // namespace oxbow
