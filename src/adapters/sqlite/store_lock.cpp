#include "adapters/sqlite/store_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace oxbow {

Result<StoreLock> StoreLock::take(const std::string& store_path) {
  auto path = store_path + ".lock";
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return Err(ErrorCode::store_full,
               "{} ({}): the directory must exist and be writable for the user that runs oxbow", path,
               std::strerror(errno));
  }
  StoreLock lock(file);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> pid{};
    auto length = ::pread(file, pid.data(), pid.size() - 1, 0);
    return Err(
        ErrorCode::already_running, "process {} holds {}; talk to it with `oxbow status`, or stop it first",
        length > 0 ? std::string(pid.data(), static_cast<std::size_t>(length)) : "unknown", store_path);
  }
  // The number is for people; the lock itself needs no room on the disk.
  auto pid = std::to_string(::getpid());
  [[maybe_unused]] bool written = ::ftruncate(file, 0) == 0 && ::pwrite(file, pid.data(), pid.size(), 0) > 0;
  return lock;
}

StoreLock::StoreLock(StoreLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

StoreLock::~StoreLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace oxbow
