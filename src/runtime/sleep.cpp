#include "runtime/sleep.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/cancellation.hpp"

namespace oxbow {

namespace asio = boost::asio;

Task<void> sleep_for(Duration duration) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (co_await is_cancelled()) co_return Err(ErrorCode::cancelled);
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (error) co_return Err(ErrorCode::cancelled);
  co_return Status{};
}

}  // namespace oxbow
