#include "core/evidence/cluster_book.hpp"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>

#include "core/evidence/answer_path.hpp"

namespace oxbow {
namespace {

ClusterSignature signature_of(std::string_view route, const DifferingPair::Difference& difference) {
  return {.route = std::string(route),
          .path = shown_path(difference.path, ClusterBook::kPathBytesMax),
          .kind = std::string(difference.kind),
          .values = fmt::format("{} / {}", difference.legacy_class, difference.new_class)};
}

bool is_more_frequent(const DifferenceCluster& one, const DifferenceCluster& other) {
  if (one.count_now() != other.count_now()) return one.count_now() > other.count_now();
  return one.signature < other.signature;
}

}  // namespace

std::string cluster_id(const ClusterSignature& signature) {
  std::string text;
  for (const auto* part : {&signature.route, &signature.path, &signature.kind, &signature.values})
    text.append(*part).append(1, '\0');
  return fmt::format("{:012x}", XXH3_64bits(text.data(), text.size()) >> 16);
}

void ClusterBook::restore(std::vector<DifferenceCluster> clusters) {
  std::ranges::sort(clusters, is_more_frequent);
  for (auto& cluster : clusters) {
    auto* restored = find_or_add(cluster.signature, cluster.first_seen);
    if (!restored) continue;
    if (cluster.exemplars.size() > kExemplarsMax) cluster.exemplars.resize(kExemplarsMax);
    cluster.id = restored->id;
    *restored = std::move(cluster);
  }
  differences_without_room_ = 0;
}

void ClusterBook::record(const DifferingPair& pair, WallTime now) {
  differences_without_room_ += pair.differences_untold;
  std::set<DifferenceCluster*> counted;
  for (const auto& difference : pair.differences) {
    auto* cluster = find_or_add(signature_of(pair.route, difference), now);
    if (!cluster) {
      ++differences_without_room_;
      continue;
    }
    if (!counted.insert(cluster).second) continue;
    ++cluster->count;
    cluster->last_seen = now;
    keep_exemplar(*cluster, pair, difference, now);
    changed_.insert(cluster);
  }
}

DifferenceCluster* ClusterBook::find_or_add(const ClusterSignature& signature, WallTime now) {
  if (auto found = clusters_.find(signature); found != clusters_.end()) return &found->second;
  auto& of_route = clusters_of_route_[signature.route];
  if (clusters_.size() == kClustersMax || of_route == kClustersPerRouteMax) return nullptr;
  ++of_route;
  auto& cluster = clusters_[signature];
  cluster.id = cluster_id(signature);
  cluster.signature = signature;
  cluster.first_seen = now;
  return &cluster;
}

// Reservoir sampling (Vitter, algorithm R). The work of redaction is done only for the chosen.
void ClusterBook::keep_exemplar(DifferenceCluster& cluster, const DifferingPair& pair,
                                const DifferingPair::Difference& difference, WallTime now) {
  auto place = cluster.exemplars.size();
  if (place == kExemplarsMax) place = random_.below(cluster.count);
  if (place >= kExemplarsMax) return;
  if (place == cluster.exemplars.size()) cluster.exemplars.emplace_back();
  auto answer = [&](Side side, int status, std::string_view value, std::string_view body) {
    return ExemplarPair::Answer{.status = status,
                                .value = pair.redactor.value(difference.path, value, kValueBytesMax, side),
                                .body = pair.redactor.body(body, kBodyBytesMax, side)};
  };
  cluster.exemplars[place] = {
      .at = now,
      .request = pair.redactor.request(pair.route, pair.request, kRequestBytesMax),
      .legacy = answer(Side::legacy, pair.legacy_status, difference.legacy_value, pair.legacy_body),
      .new_side = answer(Side::new_side, pair.new_status, difference.new_value, pair.new_body)};
}

void ClusterBook::redact_again(std::string_view route, const Redactor& redactor) {
  for (auto& [signature, cluster] : clusters_) {
    if (signature.route != route) continue;
    auto exemplars = cluster.exemplars;
    for (auto& pair : exemplars) {
      pair.request = redactor.request(route, pair.request, kRequestBytesMax);
      for (auto side : {Side::legacy, Side::new_side}) {
        auto& answer = side == Side::legacy ? pair.legacy : pair.new_side;
        answer.value = redactor.value(signature.path, answer.value, kValueBytesMax, side);
        answer.body = redactor.body(answer.body, kBodyBytesMax, side);
      }
    }
    if (exemplars == cluster.exemplars) continue;
    cluster.exemplars = std::move(exemplars);
    changed_.insert(&cluster);
  }
}

std::vector<const DifferenceCluster*> ClusterBook::list() const {
  std::vector<const DifferenceCluster*> list;
  for (const auto& [signature, cluster] : clusters_) list.push_back(&cluster);
  std::ranges::sort(list, [](auto* one, auto* other) { return is_more_frequent(*one, *other); });
  return list;
}

const DifferenceCluster* ClusterBook::find(std::string_view id) const {
  const DifferenceCluster* found = nullptr;
  for (const auto& [signature, cluster] : clusters_) {
    if (id.empty() || !cluster.id.starts_with(id)) continue;
    if (found) return nullptr;
    found = &cluster;
  }
  return found;
}

std::vector<DifferenceCluster> ClusterBook::take_changed() {
  std::vector<DifferenceCluster> copies;
  for (const auto* cluster : changed_) copies.push_back(*cluster);
  std::ranges::sort(copies, {}, &DifferenceCluster::signature);
  changed_.clear();
  return copies;
}

void ClusterBook::begin_anew(std::string_view route) {
  for (auto& [signature, cluster] : clusters_)
    if (signature.route == route) cluster.count_before = cluster.count;
}

void ClusterBook::forget_route(std::string_view route) {
  std::erase_if(changed_,
                [&](const DifferenceCluster* cluster) { return cluster->signature.route == route; });
  std::erase_if(clusters_, [&](const auto& entry) { return entry.first.route == route; });
  if (auto found = clusters_of_route_.find(route); found != clusters_of_route_.end())
    clusters_of_route_.erase(found);
}

}  // namespace oxbow
