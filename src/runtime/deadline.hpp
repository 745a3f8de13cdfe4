// A task that must end in time. The task is asked to stop when its time is over, and has stopped when this
// returns.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/time.hpp"
#include "runtime/cancellation.hpp"

namespace oxbow {

// `timeout` if the task did not end within `limit`. A task that ends well at the last moment counts as ended.
template <class T>
Task<T> with_deadline(Task<T> task, Duration limit) {
  namespace asio = boost::asio;
  co_await asio::this_coro::throw_if_cancelled(false);
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, limit);
  auto both = asio::experimental::make_parallel_group(
      asio::co_spawn(executor, run_guarded(std::move(task)), asio::deferred),
      timer.async_wait(asio::deferred));
  auto [order, exception, result, timer_error] =
      co_await both.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (exception) co_return Err(ErrorCode::internal, "a task ended with an exception");
  bool expired = order[0] == 1 && !timer_error;
  if (!result && result.error().code == ErrorCode::cancelled && expired)
    co_return Err(ErrorCode::timeout, "no answer within {}", human_duration(limit));
  co_return std::move(result);
}

}  // namespace oxbow
