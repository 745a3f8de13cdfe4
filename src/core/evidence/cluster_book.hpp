// Sorts differences into clusters and keeps, of each, some pairs of answers as examples: every request has
// the same chance to be one of them, the first as the last. What is kept is redacted before. Memory is
// bounded by kClustersMax * kExemplarsMax * (2 * kBodyBytesMax + ...), about 15 MiB at worst; what finds no
// room is counted. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "core/evidence/answer_path.hpp"
#include "core/evidence/redactor.hpp"
#include "model/difference_cluster.hpp"

namespace oxbow {

// One request whose answers differ. Views live as long as the call.
struct DifferingPair {
  struct Difference {
    std::string_view path;  // indices left out
    std::string_view kind;
    std::string_view legacy_class;
    std::string_view new_class;
    std::string_view legacy_value;  // as it stands in the answer; empty if it is missing
    std::string_view new_value;
  };

  std::string_view route;
  std::string_view request;  // "GET /payments/4711?full=1"
  int legacy_status = 0;
  int new_status = 0;
  std::string_view legacy_body;
  std::string_view new_body;
  std::span<const Difference> differences;
  std::uint64_t differences_untold = 0;  // on top of these, by AnswerComparison
  const Redactor& redactor;              // of the route
};

class ClusterBook {
 public:
  static constexpr std::size_t kClustersMax = 256;
  static constexpr std::size_t kClustersPerRouteMax = 64;  // so that one route does not take all
  static constexpr std::size_t kExemplarsMax = 4;
  static constexpr std::size_t kBodyBytesMax = 6 * 1024;
  static constexpr std::size_t kValueBytesMax = 512;
  static constexpr std::size_t kRequestBytesMax = 512;
  static constexpr std::size_t kPathBytesMax = kShownPathBytesMax;

  explicit ClusterBook(Random random) : random_(random) {}

  // Takes over what an earlier run knew, most frequent first, as far as there is room. Before any record().
  void restore(std::vector<DifferenceCluster> clusters);

  // Each signature counts once, however many differences of the request have it.
  void record(const DifferingPair& pair, WallTime now);

  // Most frequent first. Pointers hold until the next restore() or forget_route().
  std::vector<const DifferenceCluster*> list() const;
  const DifferenceCluster* find(std::string_view id) const;  // or the beginning of an id, if only one has it

  // Copies of those that changed since the last call, for keeping them.
  std::vector<DifferenceCluster> take_changed();

  // Takes out of the examples of a route what a changed spec hides.
  void redact_again(std::string_view route, const Redactor& redactor);

  // The requests of a route are counted anew; its clusters and their examples stay.
  void begin_anew(std::string_view route);

  // A rule of the spec was changed, and what it said about the route does not hold any more.
  void forget_route(std::string_view route);

  std::uint64_t differences_without_room() const { return differences_without_room_; }

 private:
  using Clusters = std::map<ClusterSignature, DifferenceCluster>;

  DifferenceCluster* find_or_add(const ClusterSignature& signature, WallTime now);
  void keep_exemplar(DifferenceCluster& cluster, const DifferingPair& pair,
                     const DifferingPair::Difference& difference, WallTime now);

  Random random_;
  Clusters clusters_;
  std::map<std::string, std::size_t, std::less<>> clusters_of_route_;
  std::set<DifferenceCluster*> changed_;
  std::uint64_t differences_without_room_ = 0;
};

// "3f9a12c07b1e": stable for ever, so that what a person wrote down finds the same cluster tomorrow.
std::string cluster_id(const ClusterSignature& signature);

}  // namespace oxbow
