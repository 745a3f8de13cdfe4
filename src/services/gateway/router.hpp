// Asks the routing that is in force now. The gateway's thread asks; any thread may put a new routing in
// force, and from then on no request is decided by the old one.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/random.hpp"
#include "core/routing/body_key_scanner.hpp"
#include "core/routing/own_writes.hpp"
#include "services/control/beat_board.hpp"
#include "services/gateway/destination.hpp"
#include "services/gateway/routing.hpp"
#include "services/gateway/skew_keeper.hpp"

namespace oxbow {

class Router {
 public:
  Router(std::shared_ptr<const Routing> routing, BeatBoard& beats, SkewKeeper& skew, std::uint64_t seed);

  // Any thread.
  void publish(std::shared_ptr<const Routing> routing);

  // A request whose destination is not known yet. Outlived by its head.
  class Question {
   public:
    // The key is in the body: feed() it, until this is false.
    bool wants_body() const { return body_key_ && body_key_->wants_more(); }
    void feed(std::string_view piece, bool is_last);

    // It has waited long enough for a side that may lack what the client has done.
    void stop_waiting() { waits_no_more_ = true; }

    // It is only asked, or was counted before: it is decided more than once.
    void count_nothing() { counts_ = false; }

   private:
    friend class Router;

    const RequestHead* head_ = nullptr;
    std::shared_ptr<const Routing> routing_;
    RouteMatch match_;
    RequestKey key_;
    std::string key_text_;
    std::optional<BodyKeyScanner> body_key_;
    bool waits_no_more_ = false;
    bool counts_ = true;
  };

  // Into `question`, because it holds on to its own texts.
  void begin(const RequestHead& head, Question& question);

  // Of the spec whose routes are in force. Any thread.
  std::string spec_hash() const { return in_force()->routes->table.spec_hash(); }

  // Nothing if the spec has changed since begin(): the question has to be asked anew.
  std::optional<Destination> decide(Question& question);

  // What the client has seen by now.
  SeenBeats seen() const { return {beats_.next(Side::legacy), beats_.next(Side::new_side)}; }
  bool is_missing(const Destination::Missing& missing) const {
    return !beats_.has_arrived(missing.source, missing.beat);
  }

 private:
  void mind_own_writes(const Question& question, Decision& decision, Destination& destination);
  std::shared_ptr<const Routing> in_force() const;

  // Not std::atomic: what libstdc++ 12 makes of it lets go of the pointer before it has surely read it.
  mutable std::mutex mutex_;
  std::shared_ptr<const Routing> routing_;
  BeatBoard& beats_;
  SkewKeeper& skew_;
  Random random_;
};

}  // namespace oxbow
