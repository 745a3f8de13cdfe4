// The journal and the state that it stands for, kept in step: a command counts once its events are on the
// disk, and not before. One thread.
#pragma once

#include <vector>

#include "core/lifecycle/machine.hpp"
#include "ports/event_store.hpp"

namespace oxbow {

class Journal {
 public:
  // Reads everything and checks the chain on the way: `store_corrupt` if it does not hold.
  static Result<Journal> open(EventStore& store);

  const Lifecycle& lifecycle() const { return replayed_.lifecycle; }

  // Decides, writes, applies. On error nothing of it happened.
  Result<std::vector<Event>> execute(const Command& command, WallTime now);

  // Whether the file ends where we believe it does: asked when a write has failed and may have happened.
  Result<bool> is_in_step() const;

  // The last events with their numbers, oldest first.
  struct Entry {
    std::uint64_t number = 0;
    Event event;
  };
  Result<std::vector<Entry>> last(std::size_t limit) const;
  Result<std::vector<Entry>> after(std::uint64_t number, std::size_t limit) const;

 private:
  explicit Journal(EventStore& store) : store_(&store) {}

  EventStore* store_;
  Replayed replayed_;
};

}  // namespace oxbow
