// How a request to stop arrives: as ErrorCode::cancelled out of whatever the task waits for, never as an
// exception, so that a task cleans up in plain code behind its awaits. What is awaited after the request
// works as usual, which is what the clean-up needs; a loop that waits for several things asks is_cancelled()
// between them.
#pragma once

#include <exception>

#include "runtime/task.hpp"

namespace oxbow {

// True once the present task was asked to stop.
boost::asio::awaitable<bool> is_cancelled();

// Runs a task with cancellation as a value. Exceptions of foreign libraries that nobody caught become
// `internal`.
template <class T>
Task<T> run_guarded(Task<T> task) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  try {
    co_return co_await std::move(task);
  } catch (const std::exception& exception) {
    co_return Err(ErrorCode::internal, "an exception left its library: {}", exception.what());
  }
}

}  // namespace oxbow
