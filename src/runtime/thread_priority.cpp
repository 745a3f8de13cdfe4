#include "runtime/thread_priority.hpp"

#include <pthread.h>
#include <sched.h>

#include "base/log.hpp"

namespace oxbow {

void let_others_go_first() {
  sched_param none{};
  if (::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &none) != 0)
    log_warn("the system does not let a thread go behind others; shadows may slow users down");
}

}  // namespace oxbow
