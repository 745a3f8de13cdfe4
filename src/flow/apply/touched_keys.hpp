// Keys changed by transactions that a verifier's snapshot does not see although the target already has them:
// they are ahead on the target, legitimately, and are compared in a later pass. Belongs to one stream; not
// thread-safe.
//
//   start()     before the snapshot is taken; from here on every change is recorded
//   narrow(S)   only what S does not see is kept, and recorded from now on
//   stop()      when the target's snapshot is taken; returns the keys
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/position.hpp"

namespace oxbow {

class TouchedKeys {
 public:
  using Keys = std::map<std::uint32_t, std::set<std::string>>;  // by table: source keys

  void start() {
    active_ = true;
    snapshot_.reset();
    touched_.clear();
  }

  bool is_active() const { return active_; }

  void record(std::uint32_t table, std::string key, Xid xid) {
    if (snapshot_ && snapshot_->sees(xid)) return;
    touched_.push_back({table, std::move(key), xid});
  }

  void narrow(const Snapshot& snapshot) {
    std::erase_if(touched_, [&](const Touch& touch) { return snapshot.sees(touch.xid); });
    snapshot_ = snapshot;
  }

  Keys stop() {
    Keys keys;
    for (auto& touch : touched_) keys[touch.table].insert(std::move(touch.key));
    touched_.clear();
    active_ = false;
    return keys;
  }

 private:
  struct Touch {
    std::uint32_t table;
    std::string key;
    Xid xid;
  };

  bool active_ = false;
  std::optional<Snapshot> snapshot_;
  std::vector<Touch> touched_;
};

}  // namespace oxbow
