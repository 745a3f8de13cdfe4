// Counts what was answered. Counted by one thread, looked at by any.
#pragma once

#include <atomic>

#include "services/control/request_figures.hpp"
#include "services/gateway/visit.hpp"

namespace oxbow {

class RequestCounter {
 public:
  void begin() { add(begun_); }
  void count(const Visit& visit, Duration took);  // it is over
  void count_refused() { add(refused_); }
  void count_turned_away() { add(turned_away_); }
  void set_connections(std::size_t open) { connections_.store(open, std::memory_order_relaxed); }

  // Any thread.
  std::uint64_t under_way() const {
    auto ended = ended_.load();  // first, so that it is never ahead
    return begun_ - ended;
  }

  // Fills in what is counted here.
  void tell(RequestFigures& figures) const;

 private:
  using Number = std::atomic<std::uint64_t>;

  struct OfSide {
    std::array<Number, 6> by_status_class{};
    std::array<Number, kAnswerSeconds.size() + 1> by_time{};
    std::atomic<double> seconds = 0;
    Number not_passed_on = 0;

    void tell(RequestFigures::OfSide& figures) const;
  };

  // With one writer this needs no locked instruction.
  template <class T>
  static void add(std::atomic<T>& number, T more = 1) {
    number.store(number.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }

  OfSide legacy_;
  OfSide new_side_;
  Number begun_ = 0;
  Number ended_ = 0;
  Number refused_ = 0;
  Number shed_ = 0;
  Number turned_away_ = 0;
  Number connections_ = 0;
};

}  // namespace oxbow
