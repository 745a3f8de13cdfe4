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
#include <utility>
#include <vector>

#include "model/cohort.hpp"
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

// Keys of one table that the stream has changed since a proof began: what it does not tell of. Belongs to one
// stream; not thread-safe.
//
//   start()     with the proof
//   proven()    it has ended well, for these cohorts; is_equal_now() and is_unknown_now() say of one cohort
//               what is known without a look
//   take()      what has changed since, of one cohort; whoever takes keys compares them
class ChangedKeys {
 public:
  static constexpr std::size_t kKeysMax = 200'000;  // more are not remembered, and then nothing is proven

  void start() {
    *this = {};
    active_ = true;
  }
  void proven(const std::vector<CohortId>& cohorts) {
    if (active_) proven_.insert(cohorts.begin(), cohorts.end());
  }
  void is_equal_now(CohortId cohort) {
    active_ = true;
    proven_.insert(cohort);
    take(cohort);
  }
  void is_unknown_now(CohortId cohort) {
    proven_.erase(cohort);
    take(cohort);
  }
  // All rows are gone, and what was known of single keys with them.
  void truncated() {
    keys_.clear();
    size_ = 0;
    whole_ = proven_;
  }
  void forget() { *this = {}; }
  bool is_proven(CohortId cohort) const { return proven_.contains(cohort); }
  bool is_active() const { return active_; }

  // Without a cohort: it is not known.
  void record(std::optional<CohortId> cohort, std::string key) {
    if (keys_[cohort].insert(std::move(key)).second && ++size_ > kKeysMax) *this = {};
  }

  // Whether no key tells what has changed, so that all rows of the cohort have to be compared.
  bool is_whole(CohortId cohort) const { return whole_.contains(cohort); }

  std::size_t size_of(CohortId cohort) const {
    auto keys = keys_.find(cohort);
    return keys == keys_.end() ? 0 : keys->second.size();
  }

  // Keys of an unknown cohort may be anybody's, so they stay.
  std::set<std::string> take(CohortId cohort) {
    whole_.erase(cohort);
    auto taken = std::exchange(keys_[cohort], {});
    size_ -= taken.size();
    if (auto unknown = keys_.find(std::nullopt); unknown != keys_.end())
      taken.insert(unknown->second.begin(), unknown->second.end());
    return taken;
  }

 private:
  bool active_ = false;
  std::set<CohortId> proven_, whole_;
  std::size_t size_ = 0;
  std::map<std::optional<CohortId>, std::set<std::string>> keys_;
};

}  // namespace oxbow
