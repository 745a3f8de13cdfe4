// Tasks that run side by side and end together: who starts them waits for them. The first one that fails
// makes the others stop. Belongs to one executor with one thread; outlives its tasks because its owner awaits
// wait().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "runtime/task.hpp"

namespace oxbow {

class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor);
  ~TaskGroup();

  // Starts the task at the executor's next turn. In a group that was cancelled it is asked to stop at once.
  void spawn(Task<void> task);

  // Asks every task to stop.
  void cancel();

  // Waits until all have ended; never returns earlier, also if the waiter itself is asked to stop (it passes
  // that on). The error of the task that failed first, else `cancelled` if the waiter was asked to stop.
  Task<void> wait();

  std::size_t running() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace oxbow
