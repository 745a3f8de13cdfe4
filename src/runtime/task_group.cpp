#include "runtime/task_group.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <optional>

#include "runtime/cancellation.hpp"

namespace oxbow {

namespace asio = boost::asio;

struct TaskGroup::State {
  explicit State(asio::any_io_executor e)
      : executor(std::move(e)), idle(executor, asio::steady_timer::time_point::max()) {}

  asio::any_io_executor executor;
  std::list<asio::cancellation_signal> tasks;  // of those that run; a list, because a signal must not move
  asio::steady_timer idle;                     // never expires; cancelled when the last task ends
  std::optional<Error> first_error;
  bool cancelled = false;

  void cancel_all() {
    cancelled = true;
    for (auto& task : tasks) task.emit(asio::cancellation_type::terminal);
  }

  void ended(std::list<asio::cancellation_signal>::iterator task, Status status) {
    tasks.erase(task);
    if (!status && !first_error && !(cancelled && status.error().code == ErrorCode::cancelled))
      first_error = std::move(status).error();
    if (!status && !cancelled) cancel_all();
    if (tasks.empty()) idle.cancel();
  }
};

namespace {

// A request to stop that arrives before the task has begun would be forgotten: nothing waits yet that could
// hear it.
Task<void> run_unless(const bool& cancelled, Task<void> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (cancelled) co_return Err(ErrorCode::cancelled);
  co_return co_await run_guarded(std::move(task));
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() {
  cancel();
}

void TaskGroup::spawn(Task<void> task) {
  auto at = state_->tasks.emplace(state_->tasks.end());
  auto ended = [state = state_, at](std::exception_ptr exception, Status status) {
    if (exception) status = Err(ErrorCode::internal, "a task ended with an exception");
    state->ended(at, std::move(status));
  };
  asio::co_spawn(state_->executor, run_unless(state_->cancelled, std::move(task)),
                 asio::bind_cancellation_slot(at->slot(), std::move(ended)));
}

void TaskGroup::cancel() {
  state_->cancel_all();
}

Task<void> TaskGroup::wait() {
  co_await asio::this_coro::throw_if_cancelled(false);
  bool asked_to_stop = false;
  while (!state_->tasks.empty()) {
    if (!asked_to_stop && co_await is_cancelled()) {
      asked_to_stop = true;
      cancel();
      continue;
    }
    co_await state_->idle.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (state_->first_error) co_return std::unexpected(*state_->first_error);
  if (asked_to_stop) co_return Err(ErrorCode::cancelled);
  co_return Status{};
}

std::size_t TaskGroup::running() const {
  return state_->tasks.size();
}

}  // namespace oxbow
