// Runs one task to its end for a command that has nothing else to do meanwhile. Whatever holds a connection
// lives inside the task, because the executor does not outlive the call.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "runtime/cancellation.hpp"

namespace oxbow {

template <class T>
Result<T> run_blocking(Task<T> task) {
  boost::asio::io_context context(1);
  std::optional<Result<T>> result;
  auto keep = [&](std::exception_ptr, Result<T> ended) { result = std::move(ended); };
  boost::asio::co_spawn(context, run_guarded(std::move(task)), keep);
  context.run();
  return *std::move(result);
}

}  // namespace oxbow
