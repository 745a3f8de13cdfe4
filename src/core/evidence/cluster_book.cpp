#include "core/evidence/cluster_book.hpp"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

namespace oxbow {
namespace {

ClusterSignature signature_of(std::string_view route, const DifferingPair::Difference& difference) {
  return {.route = std::string(route),
          .path = shown_path(difference.path, ClusterBook::kPathBytesMax),
          .kind = std::string(difference.kind),
          .values = fmt::format("{} / {}", difference.legacy_class, difference.new_class)};
}

std::uint64_t hash_of(const ClusterSignature& signature) {
  std::string text;
  for (const auto* part : {&signature.route, &signature.path, &signature.kind, &signature.values})
    text.append(*part).append(1, '\0');
  return XXH3_64bits(text.data(), text.size());
}

bool is_more_frequent(const DifferenceCluster& one, const DifferenceCluster& other) {
  if (one.count_now() != other.count_now()) return one.count_now() > other.count_now();
  return one.signature < other.signature;
}

}  // namespace

// What an example holds whatever differs in it: redacted once, and only if one is kept.
class ClusterBook::RedactedPair {
 public:
  explicit RedactedPair(const DifferingPair& pair) : pair_(pair) {}

  ExemplarPair with(const DifferingPair::Difference& difference, WallTime now) {
    if (!shared_) {
      const auto& redactor = pair_.redactor;
      shared_ =
          ExemplarPair{.at = now,
                       .request = redactor.request(pair_.route, pair_.request, kRequestBytesMax),
                       .legacy = {.status = pair_.legacy_status,
                                  .body = redactor.body(pair_.legacy_body, kBodyBytesMax, Side::legacy)},
                       .new_side = {.status = pair_.new_status,
                                    .body = redactor.body(pair_.new_body, kBodyBytesMax, Side::new_side)}};
    }
    auto exemplar = *shared_;
    auto value = [&](std::string_view text, Side side) {
      return pair_.redactor.value(difference.path, text, kValueBytesMax, side);
    };
    exemplar.legacy.value = value(difference.legacy_value, Side::legacy);
    exemplar.new_side.value = value(difference.new_value, Side::new_side);
    return exemplar;
  }

 private:
  const DifferingPair& pair_;
  std::optional<ExemplarPair> shared_;
};

std::string cluster_id(const ClusterSignature& signature) {
  return fmt::format("{:012x}", hash_of(signature) >> 16);
}

void ClusterBook::restore(std::vector<DifferenceCluster> clusters) {
  std::ranges::sort(clusters, is_more_frequent);
  for (auto& cluster : clusters) {
    auto& of_route = routes_[cluster.signature.route];
    if (!has_room(of_route)) {
      gone_.insert(cluster.signature);
      continue;
    }
    auto& restored = add(cluster.signature, of_route, cluster.first_seen);
    restored.is_stored = true;
    if (cluster.exemplars.size() > kExemplarsMax) cluster.exemplars.resize(kExemplarsMax);
    cluster.id = restored.cluster.id;
    restored.cluster = std::move(cluster);
  }
}

void ClusterBook::record(const DifferingPair& pair, WallTime now) {
  auto route = routes_.find(pair.route);
  if (route == routes_.end()) route = routes_.try_emplace(std::string(pair.route)).first;
  auto& of_route = route->second;
  ++pairs_;
  if (++of_route.pairs % RareSightings::kFadeEvery == 0) fade(pair.route, of_route);
  of_route.differences_without_room += pair.differences_untold;
  refused_.clear();
  RedactedPair redacted(pair);
  for (const auto& difference : pair.differences) {
    auto* kept = find_or_add(signature_of(pair.route, difference), of_route, now);
    if (!kept || kept->last_pair == pairs_) continue;
    kept->last_pair = pairs_;
    ++kept->weight;
    ++kept->counted;
    ++kept->cluster.count;
    kept->cluster.last_seen = now;
    kept->is_changed = true;
    keep_exemplar(kept->cluster, difference, redacted, now);
  }
}

bool ClusterBook::has_room(const OfRoute& of_route) const {
  return clusters_.size() < kClustersMax && of_route.clusters < kClustersPerRouteMax;
}

ClusterBook::Kept* ClusterBook::find_or_add(const ClusterSignature& signature, OfRoute& of_route,
                                            WallTime now) {
  if (auto found = clusters_.find(signature); found != clusters_.end()) return &found->second;
  if (has_room(of_route)) return &add(signature, of_route, now);
  auto hash = hash_of(signature);
  if (std::ranges::find(refused_, hash) != refused_.end()) return nullptr;
  auto seen = of_route.without_room.add(hash);
  if (!make_room(signature.route, of_route, seen)) {
    refused_.push_back(hash);
    ++of_route.differences_without_room;
    return nullptr;
  }
  auto& added = add(signature, of_route, now);
  added.weight = seen - 1;  // before this pair
  return &added;
}

ClusterBook::Kept& ClusterBook::add(const ClusterSignature& signature, OfRoute& of_route, WallTime now) {
  ++of_route.clusters;
  auto& kept = clusters_[signature];
  kept.cluster.id = cluster_id(signature);
  kept.cluster.signature = signature;
  kept.cluster.first_seen = now;
  return kept;
}

// A route that has all that it may have displaces its own. Another one takes what was not seen since its
// route began anew, and else from the route that has most, which may be itself. What was `seen` so often
// displaces only what is clearly rarer in the same route. False if nothing can give way.
bool ClusterBook::make_room(const std::string& route, const OfRoute& of_route, std::uint64_t seen) {
  bool is_full = of_route.clusters == kClustersPerRouteMax;
  auto largest = is_full ? std::string_view(route) : largest_route();
  if (!is_full && routes_.find(largest)->second.clusters == of_route.clusters) largest = route;
  auto rank = [&](const Clusters::value_type& each) {
    const auto& [signature, kept] = each;
    bool is_void = kept.cluster.count_now() == 0 && !is_full;
    return std::tuple(!is_void, kept.weight, kept.last_pair, kept.cluster.last_seen);
  };
  auto weakest = clusters_.end();
  for (auto each = clusters_.begin(); each != clusters_.end(); ++each) {
    const auto& [signature, kept] = *each;
    bool may_go = signature.route == largest || (!is_full && kept.cluster.count_now() == 0);
    if (!may_go || kept.last_pair == pairs_) continue;
    if (weakest == clusters_.end() || rank(*each) < rank(*weakest)) weakest = each;
  }
  if (weakest == clusters_.end()) return false;
  const auto& [signature, kept] = *weakest;
  if (signature.route == route && seen <= RareSightings::kClearlyMore * kept.weight) return false;
  let_go(weakest);
  return true;
}

std::string_view ClusterBook::largest_route() const {
  auto size = [](const auto& entry) { return entry.second.clusters; };
  return std::ranges::max_element(routes_, {}, size)->first;
}

void ClusterBook::let_go(Clusters::iterator gone) {
  const auto& [signature, kept] = *gone;
  auto& of_route = routes_.find(signature.route)->second;
  --of_route.clusters;
  of_route.without_room.raise(hash_of(signature), kept.weight);
  of_route.differences_without_room += kept.counted;
  if (kept.counted > 0) ++of_route.clusters_gone;
  if (kept.is_stored) gone_.insert(signature);
  clusters_.erase(gone);
}

void ClusterBook::fade(std::string_view route, OfRoute& of_route) {
  of_route.without_room.fade();
  for (auto& [signature, kept] : clusters_)
    if (signature.route == route) kept.weight /= 2;
}

// Reservoir sampling (Vitter, algorithm R). The work of redaction is done only for the chosen.
void ClusterBook::keep_exemplar(DifferenceCluster& cluster, const DifferingPair::Difference& difference,
                                RedactedPair& redacted, WallTime now) {
  auto place = cluster.exemplars.size();
  if (place == kExemplarsMax) place = random_.below(cluster.count);
  if (place >= kExemplarsMax) return;
  if (place == cluster.exemplars.size()) cluster.exemplars.emplace_back();
  cluster.exemplars[place] = redacted.with(difference, now);
}

void ClusterBook::redact_again(std::string_view route, const Redactor& redactor) {
  for (auto each = clusters_.begin(); each != clusters_.end();) {
    auto next = std::next(each);
    bool is_named = each->first.route == route && redactor.path(each->first.path) != each->first.path;
    if (is_named) let_go(each);
    each = next;
  }
  for (auto& [signature, kept] : clusters_) {
    if (signature.route != route) continue;
    auto exemplars = kept.cluster.exemplars;
    for (auto& pair : exemplars) {
      pair.request = redactor.request(route, pair.request, kRequestBytesMax);
      for (auto side : {Side::legacy, Side::new_side}) {
        auto& answer = side == Side::legacy ? pair.legacy : pair.new_side;
        answer.value = redactor.value(signature.path, answer.value, kValueBytesMax, side);
        answer.body = redactor.body(answer.body, kBodyBytesMax, side);
      }
    }
    if (exemplars == kept.cluster.exemplars) continue;
    kept.cluster.exemplars = std::move(exemplars);
    kept.is_changed = true;
  }
}

std::vector<const DifferenceCluster*> ClusterBook::list() const {
  std::vector<const DifferenceCluster*> list;
  for (const auto& [signature, kept] : clusters_) list.push_back(&kept.cluster);
  std::ranges::sort(list, [](auto* one, auto* other) { return is_more_frequent(*one, *other); });
  return list;
}

const DifferenceCluster* ClusterBook::find(std::string_view id) const {
  const DifferenceCluster* found = nullptr;
  for (const auto& [signature, kept] : clusters_) {
    if (id.empty() || !kept.cluster.id.starts_with(id)) continue;
    if (found) return nullptr;
    found = &kept.cluster;
  }
  return found;
}

std::vector<DifferenceCluster> ClusterBook::changed() const {
  std::vector<DifferenceCluster> copies;
  for (const auto& [signature, kept] : clusters_)
    if (kept.is_changed) copies.push_back(kept.cluster);
  return copies;
}

std::vector<ClusterSignature> ClusterBook::gone() const {
  return {gone_.begin(), gone_.end()};
}

// Meanwhile it may have changed once more, or given way.
void ClusterBook::were_kept(std::span<const DifferenceCluster> clusters) {
  for (const auto& each : clusters) {
    auto found = clusters_.find(each.signature);
    if (found == clusters_.end()) {
      gone_.insert(each.signature);
      continue;
    }
    auto& kept = found->second;
    kept.is_stored = true;
    kept.is_changed = kept.cluster != each;
  }
}

void ClusterBook::were_forgotten(std::span<const ClusterSignature> signatures) {
  for (const auto& each : signatures) gone_.erase(each);
}

void ClusterBook::begin_anew(std::string_view route) {
  auto found = routes_.find(route);
  if (found == routes_.end()) return;
  found->second = {.clusters = found->second.clusters};
  for (auto& [signature, kept] : clusters_) {
    if (signature.route != route) continue;
    kept.cluster.count_before = kept.cluster.count;
    kept.counted = kept.weight = 0;
  }
}

void ClusterBook::end_all_but(std::span<const std::string> routes) {
  auto is_over = [&](const std::string& route) { return std::ranges::find(routes, route) == routes.end(); };
  for (const auto& [route, of_route] : routes_)
    if (is_over(route)) begin_anew(route);
  for (auto& [signature, kept] : clusters_) {
    if (kept.cluster.exemplars.empty() || !is_over(signature.route)) continue;
    kept.cluster.exemplars.clear();
    kept.is_changed = true;
  }
}

std::uint64_t ClusterBook::differences_without_room(std::string_view route) const {
  std::uint64_t sum = 0;
  for (const auto& [name, of_route] : routes_)
    if (route.empty() || name == route) sum += of_route.differences_without_room;
  return sum;
}

std::uint64_t ClusterBook::clusters_gone(std::string_view route) const {
  std::uint64_t sum = 0;
  for (const auto& [name, of_route] : routes_)
    if (route.empty() || name == route) sum += of_route.clusters_gone;
  return sum;
}

}  // namespace oxbow
