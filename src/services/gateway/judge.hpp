// Compares the answers of both sides and keeps what they prove: verdicts per field, clusters with examples,
// latencies, errors, coverage. Has a thread of its own, because a comparison may take long and no user may
// wait for it; what it holds counts against the budget of the shadows, so that its queue is bounded.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ports/exemplar_store.hpp"
#include "services/control/traffic_plane.hpp"
#include "services/gateway/shadow_copy.hpp"

namespace oxbow {

struct JudgeParts {
  ExemplarStore* exemplars = nullptr;  // none: clusters are forgotten at the end
  std::function<WallTime()> now;
  // Both sides are asked once more after a while. Called by the judge's thread.
  std::function<void(std::unique_ptr<ShadowCopy>, Duration)> ask_again;
  std::uint64_t seed = 0;
  Duration keep_every = std::chrono::seconds(5);  // examples, on the disk
};

class Judge {
 public:
  explicit Judge(JudgeParts parts);
  ~Judge();  // compares nothing more

  // From now on this is in force: what its routes hide is taken out of what was kept; a route that compares
  // in another way begins anew, and so does what an operator ordered to. Before all others. Any thread.
  void take_over(const Routing& routing);

  // Both answers of a copy are there, or one and why the other failed. Any thread.
  void offer(std::unique_ptr<ShadowCopy> copy);

  // An eligible request that has no second answer. Any thread.
  void skipped(const std::shared_ptr<const Routing>& routing, std::size_t route, ShadowSkip why);

  // What is known now. Any thread; nothing is recorded until `read` returns.
  void look(const std::function<void(const AnswersKnown&)>& read) const;

 private:
  struct Skipped {
    std::shared_ptr<const Routing> routing;
    std::size_t route;
    ShadowSkip why;
    std::uint64_t count;
  };
  struct Comparison;

  void begin_as_ordered(const Routing& routing);
  void begin_anew(const std::string& text, WallTime since, const Routing& routing);
  bool counts(const Routing& routing, std::size_t route) const;
  bool is_of_present_versions(const ShadowCopy& copy, const Comparison& comparison, RouteFigures& figures);
  const Redactor& redactor_in_force(std::string_view text) const;
  void work();
  bool wait_for_work();
  bool judge_next();
  void count_skipped();
  void judge(std::unique_ptr<ShadowCopy> copy);
  void record_failure(const ShadowCopy& copy);
  void record(const ShadowCopy& copy, const Comparison& comparison);
  void keep_exemplars();
  void complain_of(const Status& kept);

  JudgeParts parts_;
  std::mutex queue_mutex_;
  std::condition_variable queue_filled_;
  std::deque<std::unique_ptr<ShadowCopy>> copies_;
  std::vector<Skipped> skipped_;
  bool ends_ = false;

  std::vector<Skipped> being_counted_;  // by the thread

  mutable std::mutex books_mutex_;
  std::map<std::string, RouteFigures> routes_;
  FieldBook fields_;
  ClusterBook clusters_;
  std::shared_ptr<const Routes> routes_in_force_;
  Routing::BegunAnew begun_anew_;
  std::map<std::string, std::uint64_t> counts_from_;  // by route: the revision of the routing
  Instant kept_at_;
  bool keeps_ = true;
  std::thread thread_;
};

}  // namespace oxbow
