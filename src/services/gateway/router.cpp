#include "services/gateway/router.hpp"

#include "protocol/http1/head.hpp"

namespace oxbow {
namespace {

SeenBeats seen_by(const RequestHead& head, const ReadYourWrites& rule) {
  auto told = rule.cookie.empty() ? find_in_header(head.fields, rule.header)
                                  : find_in_cookies(head.fields, rule.cookie);
  return told.found == KeyFound::yes ? parse_seen(told.text) : SeenBeats();
}

ShadowSkip skip_of(ShadowWhy why) {
  switch (why) {
    case ShadowWhy::sent:
      return ShadowSkip::none;
    case ShadowWhy::sampled_out:
      return ShadowSkip::sampled_out;
    case ShadowWhy::not_copied:
      return ShadowSkip::not_copied;
    case ShadowWhy::kept_away:
      return ShadowSkip::kept_away;
    case ShadowWhy::upgraded:
      return ShadowSkip::upgraded;
    case ShadowWhy::no_safe_way:
      return ShadowSkip::method;
    case ShadowWhy::unlisted:
    case ShadowWhy::off:
    case ShadowWhy::by_state:
    case ShadowWhy::mixed:
      break;
  }
  return ShadowSkip::not_wanted;
}

}  // namespace

Router::Router(std::shared_ptr<const Routing> routing, BeatBoard& beats, SkewKeeper& skew, std::uint64_t seed)
    : routing_(std::move(routing)), beats_(beats), skew_(skew), random_(seed) {}

void Router::publish(std::shared_ptr<const Routing> routing) {
  std::lock_guard lock(mutex_);
  routing_.swap(routing);
}

std::shared_ptr<const Routing> Router::in_force() const {
  std::lock_guard lock(mutex_);
  return routing_;
}

void Router::Question::feed(std::string_view piece, bool is_last) {
  body_key_->feed(piece);
  if (is_last) body_key_->finish();
}

void Router::begin(const RequestHead& head, Question& question) {
  question.head_ = &head;
  question.routing_ = in_force();
  const auto& table = question.routing_->routes->table;
  question.match_ = table.match(head);
  if (!question.match_.route) return;
  question.key_ = find_key(table, question.match_, head, question.key_text_);
  if (question.key_.found != KeyFound::in_body) return;
  const auto& route = table.routes()[*question.match_.route];
  question.body_key_.emplace(route.body_path, table.entities()[route.entity].key_kind);
}

// By the state of now: it may have changed while the body came, as may the spec.
std::optional<Destination> Router::decide(Question& question) {
  auto now = in_force();
  if (now->routes != question.routing_->routes) return std::nullopt;
  question.routing_ = std::move(now);
  const auto& routing = *question.routing_;
  const auto& table = routing.routes->table;
  if (question.body_key_) question.key_ = question.body_key_->result();
  auto decision = oxbow::decide(table, routing.state, question.match_, question.key_, question.head_->target);
  if (http1::wants_upgrade(*question.head_)) decide_upgrade(decision);
  Destination destination;
  if (routing.read_your_writes.is_on()) mind_own_writes(question, decision, destination);
  destination.side = decision.side;
  destination.shadow_skip = skip_of(decision.shadow_why);
  destination.waits = decision.waits;
  destination.writes = decision.is_write(table);
  destination.reason = name(decision.because);
  destination.shows_state = routing.shows_state;
  destination.routing = question.routing_;
  if (!decision.route) return destination;
  const auto& route = table.routes()[*decision.route];
  const auto& entity = table.entities()[decision.entity];
  destination.route = *decision.route;
  destination.entity = entity.name;
  destination.state = decision.state;
  if (decision.cohort) destination.cohort = entity.cohort_names[decision.cohort->value()];
  if (destination.waits || destination.missing) return destination;
  if (question.counts_ && decision.cohort && question.key_.found == KeyFound::yes)
    skew_.record(routing.routes, decision.entity, *decision.cohort, question.key_.text, route.route.write);
  if (destination.shadow_skip != ShadowSkip::none) return destination;
  if (!route.shadow_segments.empty())
    destination.shadow_target = shadow_target(table, question.match_, *question.head_);
  destination.takes_twin = route.route.read && random_.below(kBucketCount) < routing.twin_buckets;
  return destination;
}

// The stream is asked for a beat at once, because the next one by itself may be a second away.
void Router::mind_own_writes(const Question& question, Decision& decision, Destination& destination) {
  const auto& routing = *question.routing_;
  if (auto source = lags_behind(decision, routing.routes->table, routing.state)) {
    auto beat = seen_by(*question.head_, routing.read_your_writes).of(*source);
    if (beat > 0 && !beats_.has_arrived(*source, beat)) {
      beats_.hurry(*source);
      if (question.waits_no_more_)
        turn_to_authority(decision, routing.state);
      else
        destination.missing = {*source, beat};
    }
  }
  destination.tells_seen = is_ahead(decision, routing.state);
}

}  // namespace oxbow
