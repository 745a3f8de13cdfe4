// Ctrl-C while a command waits for work that goes on without it: the command may say so before it ends. One
// at a time; where SIGINT is ignored it stays so.
#pragma once

#include <csignal>

namespace oxbow {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool came() const;

  // As the signal would have ended the process, so that a shell knows.
  [[noreturn]] void end_process();

 private:
  struct sigaction before_{};
};

}  // namespace oxbow
