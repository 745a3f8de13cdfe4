#include "apps/interrupt.hpp"

#include <cstdio>
#include <cstdlib>

namespace oxbow {
namespace {

volatile std::sig_atomic_t g_came = 0;

void note(int) {
  g_came = 1;
}

}  // namespace

Interrupt::Interrupt() {
  g_came = 0;
  ::sigaction(SIGINT, nullptr, &before_);
  if (before_.sa_handler == SIG_IGN) return;
  struct sigaction noting{};
  noting.sa_handler = note;
  ::sigemptyset(&noting.sa_mask);
  noting.sa_flags = SA_RESTART | SA_RESETHAND;  // a second one ends the process at once
  ::sigaction(SIGINT, &noting, nullptr);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &before_, nullptr);
}

bool Interrupt::came() const {
  return g_came != 0;
}

void Interrupt::end_process() {
  std::fflush(stdout);
  std::fflush(stderr);
  ::signal(SIGINT, SIG_DFL);
  ::raise(SIGINT);
  std::abort();
}

}  // namespace oxbow
