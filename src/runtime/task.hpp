// A task is a coroutine that ends with a value or an error. Whoever awaits it owns it; detached work does not
// exist. Parameters are taken by value, or by reference to something that outlives the task.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/result.hpp"

namespace oxbow {

template <class T>
using Task = boost::asio::awaitable<Result<T>>;

}  // namespace oxbow
