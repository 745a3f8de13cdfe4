#include "runtime/cancellation.hpp"

namespace oxbow {

boost::asio::awaitable<bool> is_cancelled() {
  auto state = co_await boost::asio::this_coro::cancellation_state;
  co_return state.cancelled() != boost::asio::cancellation_type::none;
}

}  // namespace oxbow
