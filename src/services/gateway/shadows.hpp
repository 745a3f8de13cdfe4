// Sends copies of answered requests to the other side, and hands both answers over to be compared.
//
// The contract: a shadow can never delay, fail or exhaust memory for a user. It begins when the user has his
// answer; it has connections, deadlines and a byte budget of its own; what does not fit is dropped, and
// counted by its reason.
// Belongs to one thread.
#pragma once

#include <functional>
#include <memory>

#include "protocol/http1/forwarding.hpp"
#include "runtime/task_group.hpp"
#include "services/gateway/destination.hpp"
#include "services/gateway/shadow_copy.hpp"
#include "services/gateway/upstreams.hpp"

namespace oxbow {

struct ShadowSettings {
  std::size_t memory_bytes_max = 64 << 20;
  std::size_t body_bytes_max = 1 << 20;
  Duration time_max = std::chrono::seconds(10);
};

class Shadows {
 public:
  using OnPair = std::function<void(std::unique_ptr<ShadowCopy>)>;
  using OnSkip = std::function<void(const std::shared_ptr<const Routing>&, std::size_t route, ShadowSkip)>;

  // `upstreams` are for shadows alone.
  Shadows(boost::asio::any_io_executor executor, Upstreams& upstreams, Deadlines& deadlines,
          ShadowSettings settings, OnPair on_pair, OnSkip on_skip);

  std::unique_ptr<ShadowCopy> begin(const Destination& destination);

  // The user has his answer. Why there will be no shadow, if there will be none.
  ShadowSkip submit(std::unique_ptr<ShadowCopy> copy, const Destination& destination,
                    const RequestHead& request, http1::RequestChanges changes);

  // The user got no whole answer, so there is nothing to compare with.
  void drop(std::unique_ptr<ShadowCopy> copy, ShadowSkip why);

  // A request that would have been copied, but for the reason that its destination has.
  void pass_over(const Destination& destination);

  // Asks both sides once more, and hands the pair over again; without asking if that happens too often.
  void look_again(std::unique_ptr<ShadowCopy> copy, Duration after);

  // Ends all that run.
  Task<void> stop();

 private:
  Task<void> run(std::unique_ptr<ShadowCopy> copy);
  Task<void> run_again(std::unique_ptr<ShadowCopy> copy, Duration after);
  boost::asio::awaitable<ShadowSkip> ask_in_turn(ShadowCopy& copy, Side side, RecordedAnswer& answer);
  boost::asio::awaitable<ShadowSkip> ask(ShadowCopy& copy, Side side, RecordedAnswer& answer);
  boost::asio::awaitable<ShadowSkip> ask_on(Upstream::Lease& service, ShadowCopy& copy,
                                            RecordedAnswer& answer, bool& was_stale);
  Task<void> exchange(ShadowCopy& copy, UpstreamConnection& service, RecordedAnswer& answer);
  ShadowSkip skip(const ShadowCopy& copy, ShadowSkip why);

  Upstreams& upstreams_;
  Deadlines& deadlines_;
  ShadowSettings settings_;
  OnPair on_pair_;
  OnSkip on_skip_;
  std::shared_ptr<ShadowBudget> budget_;  // of its copies, too, which may outlive us
  double looks_saved_;
  TaskGroup running_;
};

}  // namespace oxbow
