// A server that comes back without its last transactions: from a backup, or as a standby that lagged. What it
// has forgotten no protocol can bring back, so the run ends with it; but a stream that has applied what its
// source does not know of, or that would go on behind what its target has, must never run again. One thread,
// driven by the simulation.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "sim/handover/stage.hpp"

namespace oxbow::sim {

class LostCommits {
 public:
  explicit LostCommits(Stage& stage) : stage_(stage) {}

  // As what this server may come back later.
  void back_up(Side side);
  std::optional<Side> backed_up() const;

  // False: nothing would be lost that anybody must notice. Streams and writers are to be broken off before
  // the server comes back, and only then begin again. REQUIRES: backed_up()
  bool would_be_noticed(bool streams_look_at_once) const;
  void come_back();

  bool have_happened() const { return have_happened_; }

  // To be asked after each step. True: there is nothing more to see.
  bool look();
  const std::string& wrong() const { return wrong_; }

 private:
  struct Stakes {
    bool source_forgot = false;  // what the target has applied
    bool is_told_by_beat = false;
    bool target_forgot = false;  // what the source will not send again
    bool any() const { return source_forgot || target_forgot; }
    bool tell_for_good() const { return !source_forgot || is_told_by_beat; }
  };
  Stakes stakes_of(const Stream& stream) const;

  Stage& stage_;
  std::optional<SideStore> backup_;
  bool have_happened_ = false;
  std::array<Stakes, 2> stakes_;  // by stream
  int steps_left_ = 0;
  std::string wrong_;
};

}  // namespace oxbow::sim
