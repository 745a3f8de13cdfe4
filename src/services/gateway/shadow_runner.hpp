// Asks the other side what a user was answered, and hands both answers over to be compared. Has an executor
// of its own with one thread, so that neither a slow side nor the work for shadows takes time from users;
// where both would run at once, shadows wait for a moment. What is marked may be called from any thread; the
// rest belongs to the executor.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
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
  int connections_max = 32;  // to each side
  std::function<bool()> users_wait = [] { return false; };
  std::function<int(Side)> asked_by_users = [](Side) { return 0; };  // just now
  // Called on the executor. A side that failed to answer makes a pair with its failure.
  std::function<void(std::unique_ptr<ShadowCopy>)> on_pair;
  std::function<void(const ShadowCopy&, ShadowSkip)> on_skip;
};

class ShadowRunner {
 public:
  explicit ShadowRunner(ShadowRunnerParts parts);

  // Any thread. The copy's shadow begins within a few milliseconds, or when there is room for it.
  void take(std::unique_ptr<ShadowCopy> copy);

  // Any thread. Why this side gets no shadows just now, so that it is no use to make copies; `none` if it
  // does.
  ShadowSkip refuses(Side side) const { return of(side).refuses.load(std::memory_order_relaxed); }

  // Any thread. Asks both sides once more, and hands the pair over again; without asking if that happens too
  // often.
  void look_again(std::unique_ptr<ShadowCopy> copy, Duration after);

  // Ends all that run. On the executor.
  Task<void> stop();

 private:
  struct Waiting {
    std::unique_ptr<ShadowCopy> copy;
    Instant since{};
  };

  struct Service {
    int asked = 0;  // questions under way, each on a connection
    std::deque<Waiting> waiting;
    std::atomic<ShadowSkip> refuses = ShadowSkip::none;
    bool is_watched = false;
  };

  // One of the questions that may be under way at once.
  class Place {
   public:
    explicit Place(Service& service) : service_(&service) { ++service_->asked; }
    Place(Place&& other) noexcept : service_(std::exchange(other.service_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (service_ != nullptr) --service_->asked;
    }

   private:
    Service* service_;
  };

  Service& of(Side side) { return services_[side == Side::legacy ? 0 : 1]; }
  const Service& of(Side side) const { return services_[side == Side::legacy ? 0 : 1]; }
  bool has_room(Side side) const { return of(side).asked < parts_.connections_max; }

  Task<void> begin_taken();
  bool collect_taken();
  void begin_waiting(Side side);
  void look_after(Side side);
  ShadowSkip reason_to_refuse(Side side) const;
  Task<void> watch_refusing(Side side);
  Task<void> work_through(Side side, Place place);
  Task<void> run(Side side, std::unique_ptr<ShadowCopy> copy);
  void begin_again(std::unique_ptr<ShadowCopy> copy, Duration after);
  Task<void> run_again(std::unique_ptr<ShadowCopy> copy, Duration after);
  boost::asio::awaitable<void> ask_twin(ShadowCopy& copy, RecordedAnswer& twin, int& beside);
  // Each second time, by the text of the route: routes that are asked in turn would else each have one order.
  using Turns = std::map<std::string, bool>;
  static bool takes_turn(const ShadowCopy& copy, Turns& turns);
  int beside(Side side) const { return of(side).asked - 1 + parts_.asked_by_users(side); }
  boost::asio::awaitable<ShadowSkip> ask_in_turn(ShadowCopy& copy, Side side, RecordedAnswer& answer);
  boost::asio::awaitable<ShadowSkip> ask(ShadowCopy& copy, Side side, RecordedAnswer& answer);
  boost::asio::awaitable<ShadowSkip> ask_on(Upstream::Lease& service, ShadowCopy& copy,
                                            RecordedAnswer& answer, bool& was_stale);
  Task<void> exchange(ShadowCopy& copy, UpstreamConnection& service, RecordedAnswer& answer);

  ShadowRunnerParts parts_;
  double looks_saved_;
  std::array<Service, 2> services_;
  Turns twin_is_first_;
  Turns twin_is_first_again_;  // at the second look
  TaskGroup running_;

  std::mutex taken_mutex_;
  std::vector<std::unique_ptr<ShadowCopy>> taken_;
  bool is_awake_ = false;
};

}  // namespace oxbow
