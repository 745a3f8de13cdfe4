// A bounded queue between two tasks of one executor. A full queue makes the sender wait, which is how a slow
// receiver slows its sender down. Closing is the sender's word that nothing more comes; the receiver still
// gets what is inside.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/channel_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "runtime/cancellation.hpp"

namespace oxbow {

template <class T>
class Channel {
 public:
  Channel(boost::asio::any_io_executor executor, std::size_t capacity)
      : channel_(std::move(executor), capacity) {}

  // `cancelled` if the task was asked to stop or the channel was closed; the value is then gone.
  Task<void> send(T value) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    if (co_await is_cancelled()) co_return Err(ErrorCode::cancelled);
    auto [error] = co_await channel_.async_send({}, std::move(value), token());
    if (error) co_return Err(ErrorCode::cancelled);
    co_return Status{};
  }

  // Nothing once the channel is closed and empty. `cancelled` if the task was asked to stop.
  Task<std::optional<T>> receive() {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    if (co_await is_cancelled()) co_return Err(ErrorCode::cancelled);
    auto [error, value] = co_await channel_.async_receive(token());
    if (error == boost::asio::experimental::channel_errc::channel_closed) co_return std::optional<T>();
    if (error) co_return Err(ErrorCode::cancelled);
    co_return std::optional<T>(std::move(value));
  }

  // False if it is full or closed; then `value` is as it was.
  bool try_send(T& value) { return channel_.try_send(boost::system::error_code(), std::move(value)); }

  void close() { channel_.close(); }

 private:
  static auto token() { return boost::asio::as_tuple(boost::asio::use_awaitable); }

  boost::asio::experimental::channel<void(boost::system::error_code, T)> channel_;
};

}  // namespace oxbow
