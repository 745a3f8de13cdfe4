// Writes of cohorts that change hands: they wait here until they have a home again, and whoever hands a
// cohort over learns when none is under way to the old one. Waiting and passing belong to the users' thread;
// the calls marked "any thread" are safe from others.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "core/lifecycle/state.hpp"
#include "runtime/task.hpp"

namespace oxbow {

class WriteHold {
 public:
  explicit WriteHold(boost::asio::any_io_executor users);

  // How many changes of the routing this thread has seen.
  std::uint64_t seen() const { return seen_; }

  // Until there is a change that was not `seen`; the routing may hold the write still. `timeout` after
  // `patience`.
  Task<void> wait(std::uint64_t seen, Duration patience);

  // A write is under way to a side as long as its passage lives.
  class Passage {
   public:
    Passage() = default;
    Passage(WriteHold& hold, Scope scope);
    Passage(Passage&& other) noexcept { *this = std::move(other); }
    Passage& operator=(Passage&& other) noexcept;
    ~Passage() { end(); }

   private:
    void end();

    WriteHold* hold_ = nullptr;
    Scope scope_;
  };

  // Another routing is in force. Returns the number of this change. Any thread.
  std::uint64_t routing_changed();

  // Whether every request that was decided before that change has its passage. Any thread.
  bool knows_all_before(std::uint64_t change) const { return seen_ >= change; }

  // Writes of the cohort that are under way, or of its entity without telling of which cohort. Any thread.
  std::uint64_t under_way(const Scope& scope) const;

  // Whether none is, of those that were decided before the last change. Any thread.
  bool has_settled(const Scope& scope) const { return knows_all_before(changes_) && under_way(scope) == 0; }

 private:
  boost::asio::any_io_executor users_;
  boost::asio::steady_timer changed_;  // expires never; cancelled when the routing changes
  std::atomic<std::uint64_t> changes_ = 0, seen_ = 0;
  mutable std::mutex mutex_;
  std::map<Scope, std::uint64_t> under_way_;
};

}  // namespace oxbow
