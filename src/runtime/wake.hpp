// Wakes the one task that waits. What is raised before it waits, however often, wakes it once. Belongs to one
// executor with one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "runtime/channel.hpp"

namespace oxbow {

class Wake {
 public:
  explicit Wake(boost::asio::any_io_executor executor) : token_(std::move(executor), 1) {}

  void raise() {
    bool token = true;
    token_.try_send(token);
  }

  // `cancelled` if the task was asked to stop.
  Task<void> wait() {
    CO_TRY(co_await token_.receive());
    co_return Status{};
  }

 private:
  Channel<bool> token_;
};

}  // namespace oxbow
