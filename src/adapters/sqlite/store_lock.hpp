// One oxbow per migration: a lock file beside the store, held for the life of the object and released by the
// kernel when the process dies, however it dies.
#pragma once

#include <string>

#include "base/result.hpp"

namespace oxbow {

class StoreLock {
 public:
  // `already_running` naming the process that has it.
  static Result<StoreLock> take(const std::string& store_path);

  StoreLock(StoreLock&& other) noexcept;
  StoreLock& operator=(StoreLock&&) = delete;
  ~StoreLock();

 private:
  explicit StoreLock(int file) : file_(file) {}

  int file_;
};

}  // namespace oxbow
