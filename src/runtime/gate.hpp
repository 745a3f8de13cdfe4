// One at a time, in the order of asking. Belongs to one executor with one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "runtime/channel.hpp"

namespace oxbow {

class Gate {
 public:
  explicit Gate(boost::asio::any_io_executor executor) : token_(std::move(executor), 1) {
    bool token = true;
    token_.try_send(token);
  }

  Task<void> enter() {
    auto token = co_await token_.receive();
    if (!token) co_return std::unexpected(token.error());
    co_return Status{};
  }

  void leave() {
    bool token = true;
    token_.try_send(token);
  }

 private:
  Channel<bool> token_;
};

}  // namespace oxbow
