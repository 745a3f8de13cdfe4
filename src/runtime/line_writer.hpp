// Writes lines to a file or to standard output on a thread of its own, so that nobody who has lines waits for
// a slow disk or for a reader that has stopped. What waits is bounded: beyond that, lines are lost and
// counted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/time.hpp"

namespace oxbow {

class LineWriter {
 public:
  static constexpr std::size_t kBytesMax = 8 << 20;
  static constexpr Duration kEndPatience = std::chrono::seconds(5);

  // A file that is appended to, "-" for standard output, or nothing. `name` is what the log calls it.
  // A pipe that nobody reads yet is waited for. At the end, all is written that is taken in so long.
  LineWriter(std::string name, std::string path, std::size_t bytes_max = kBytesMax,
             Duration end_patience = kEndPatience);
  // To a file that is open and stays so.
  LineWriter(std::string name, int file, std::size_t bytes_max, Duration end_patience);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  bool is_on() const { return given_ >= 0 || !path_.empty(); }

  // Whole lines. Never waits. Any thread.
  void write(std::string lines);

  // What comes from now on goes to the file that has the name then. Any thread.
  void reopen();

  // Nothing is written behind it.
  void finish();

  std::uint64_t lines_lost() const { return lines_lost_; }  // any thread

 private:
  void begin();
  void open();
  void work();
  void put(std::string_view lines);
  void mend(std::string_view written);
  bool take_back(std::size_t bytes);
  bool wait_until_it_takes();
  bool takes_soon();
  void lose(std::string_view lines);
  void tell_losses(bool has_put_all);

  const std::string name_;
  const std::string path_;
  const int given_;  // open already; -1: none
  const std::size_t bytes_max_;
  const Duration end_patience_;

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<std::string> waiting_;
  std::size_t bytes_ = 0;  // waiting, or being written
  bool wants_reopening_ = false;
  bool ends_ = false;
  std::atomic<Instant> give_up_at_ = Instant::max();
  std::atomic<std::uint64_t> lines_lost_ = 0;

  // Of the thread.
  int file_ = -1;
  bool takes_always_ = false;  // a file
  bool lacks_reader_ = false;  // a pipe
  bool has_failed_ = false;
  bool is_torn_ = false;  // it ends with part of a line
  bool gave_up_ = false;
  std::uint64_t losses_told_ = 0;
  bool is_losing_ = false;
  std::thread thread_;
};

}  // namespace oxbow
