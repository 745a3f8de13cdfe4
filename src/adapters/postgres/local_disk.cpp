#include "adapters/postgres/local_disk.hpp"

#include <fmt/core.h>
#include <sys/statvfs.h>

#include <fstream>

namespace oxbow::postgres {

bool runs_here(int backend_pid) {
  std::ifstream file(fmt::format("/proc/{}/comm", backend_pid));
  std::string program;
  return std::getline(file, program) && program == "postgres";
}

std::optional<std::uint64_t> disk_free_bytes(const std::string& directory) {
  struct statvfs disk;
  if (::statvfs(directory.c_str(), &disk) != 0) return std::nullopt;
  return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

}  // namespace oxbow::postgres
