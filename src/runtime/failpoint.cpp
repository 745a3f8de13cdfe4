#include "runtime/failpoint.hpp"

#include <unistd.h>
#include <csignal>

namespace oxbow {
namespace {

std::string& armed() {
  static std::string name;
  return name;
}

}  // namespace

void arm_failpoint(std::string name) {
  armed() = std::move(name);
}

void failpoint(std::string_view name) {
  if (!armed().empty() && armed() == name) ::kill(::getpid(), SIGKILL);
}

}  // namespace oxbow
