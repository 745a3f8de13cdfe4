// Asks the other side what a user was answered, and hands both answers over to be compared. Has an executor
// of its own with one thread, so that neither a slow side nor the work for shadows takes time from users.
// Copies are taken and looked at again from any thread; the rest belongs to the executor.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/task_group.hpp"
#include "services/gateway/shadow_copy.hpp"
#include "services/gateway/upstreams.hpp"

namespace oxbow {

struct ShadowRunnerParts {
  boost::asio::any_io_executor executor;
  Upstreams& upstreams;  // for shadows alone
  Deadlines& deadlines;
  std::size_t body_bytes_max = 1 << 20;
  Duration time_max = std::chrono::seconds(10);
  // Called on the executor.
  std::function<void(std::unique_ptr<ShadowCopy>)> on_pair;
  std::function<void(const ShadowCopy&, ShadowSkip)> on_skip;
};

class ShadowRunner {
 public:
  explicit ShadowRunner(ShadowRunnerParts parts);

  // Any thread. The copy's shadow begins within a few milliseconds.
  void take(std::unique_ptr<ShadowCopy> copy);

  // Any thread. Asks both sides once more, and hands the pair over again; without asking if that happens too
  // often.
  void look_again(std::unique_ptr<ShadowCopy> copy, Duration after);

  // Ends all that run. On the executor.
  Task<void> stop();

 private:
  Task<void> begin_taken();
  Task<void> run(std::unique_ptr<ShadowCopy> copy);
  void begin_again(std::unique_ptr<ShadowCopy> copy, Duration after);
  Task<void> run_again(std::unique_ptr<ShadowCopy> copy, Duration after);
  boost::asio::awaitable<ShadowSkip> ask_in_turn(ShadowCopy& copy, Side side, RecordedAnswer& answer);
  boost::asio::awaitable<ShadowSkip> ask(ShadowCopy& copy, Side side, RecordedAnswer& answer);
  boost::asio::awaitable<ShadowSkip> ask_on(Upstream::Lease& service, ShadowCopy& copy,
                                            RecordedAnswer& answer, bool& was_stale);
  Task<void> exchange(ShadowCopy& copy, UpstreamConnection& service, RecordedAnswer& answer);

  ShadowRunnerParts parts_;
  double looks_saved_;
  TaskGroup running_;

  std::mutex taken_mutex_;
  std::vector<std::unique_ptr<ShadowCopy>> taken_;
  bool is_awake_ = false;
};

}  // namespace oxbow
