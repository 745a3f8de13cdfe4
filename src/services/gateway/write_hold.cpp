#include "services/gateway/write_hold.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

#include "runtime/cancellation.hpp"
#include "runtime/deadline.hpp"

namespace oxbow {
namespace asio = boost::asio;

WriteHold::WriteHold(asio::any_io_executor users)
    : users_(std::move(users)), changed_(users_, asio::steady_timer::time_point::max()) {}

Task<void> WriteHold::wait(std::uint64_t seen, Duration patience) {
  auto change = [this, seen]() -> Task<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    while (seen_ == seen) {
      if (co_await is_cancelled()) co_return Err(ErrorCode::cancelled);
      co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return Status{};
  };
  co_return co_await with_deadline(change(), patience);
}

// Behind whatever the users' thread is deciding at this moment.
std::uint64_t WriteHold::routing_changed() {
  auto change = ++changes_;
  asio::post(users_, [this, change] {
    seen_ = std::max(seen_.load(), change);
    changed_.cancel();
  });
  return change;
}

std::uint64_t WriteHold::under_way(const Scope& scope) const {
  std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  for (const auto& each : {scope, Scope{scope.entity, ""}})
    if (auto found = under_way_.find(each); found != under_way_.end()) count += found->second;
  return count;
}

WriteHold::Passage::Passage(WriteHold& hold, Scope scope) : hold_(&hold), scope_(std::move(scope)) {
  std::lock_guard lock(hold.mutex_);
  ++hold.under_way_[scope_];
}

WriteHold::Passage& WriteHold::Passage::operator=(Passage&& other) noexcept {
  end();
  hold_ = std::exchange(other.hold_, nullptr);
  scope_ = std::move(other.scope_);
  return *this;
}

void WriteHold::Passage::end() {
  if (hold_ == nullptr) return;
  std::lock_guard lock(hold_->mutex_);
  auto found = hold_->under_way_.find(scope_);
  if (--found->second == 0) hold_->under_way_.erase(found);
  hold_ = nullptr;
}

}  // namespace oxbow
