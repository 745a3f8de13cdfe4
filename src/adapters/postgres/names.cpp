#include "adapters/postgres/names.hpp"

#include <fmt/core.h>

#include <cstdint>

#include "model/course.hpp"

namespace oxbow::postgres {
namespace {

constexpr std::size_t kRoleMax = 16;

// FNV-1a; names need to differ, not to be secret.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

}  // namespace

std::string identifier_for(std::string_view prefix, std::string_view migration, std::size_t size_max) {
  std::string out(prefix);
  for (char c : migration) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    out += plain ? c : '_';
  }
  if (out.size() <= size_max && out.substr(prefix.size()) == migration) return out;
  return fmt::format("{}_{:016x}", out.substr(0, size_max - 17), hash_of(migration));
}

std::string slot_name(std::string_view migration) {
  return identifier_for("oxbow_", migration);
}
std::string watch_name(std::string_view migration) {
  return identifier_for("oxbow_watch_", migration);
}
std::string watch_truncate_name(std::string_view migration) {
  return identifier_for("oxbow_watch_truncate_", migration);
}
std::string beat_name(std::string_view migration) {
  return "oxbow." + identifier_for("beat_", migration);
}

std::string identity_trigger_name(std::string_view migration) {
  return identifier_for("oxbow_identity_", migration);
}

std::string origin_name(std::string_view migration, int lane) {
  return fmt::format("{}fwd:{}", origin_prefix(migration), lane);
}

std::string application_name(std::string_view migration, std::string_view role) {
  return fmt::format("{}:{}", identifier_for("oxbow:", migration, kIdentifierMax - kRoleMax), role);
}

}  // namespace oxbow::postgres
