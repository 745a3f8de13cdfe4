// Sorts differences into clusters and keeps, of each, some pairs of answers as examples: every request has
// the same chance to be one of them, the first as the last. What is kept is redacted before. Memory is
// bounded by kClustersMax * kExemplarsMax * (2 * kBodyBytesMax + ...), about 15 MiB at worst. Where there is
// no room, what is rarest gives way to what is more frequent, and what gave way is counted. One thread at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "core/evidence/answer_path.hpp"
#include "core/evidence/rare_sightings.hpp"
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

  // Most frequent first. Pointers hold until the next restore() or record().
  std::vector<const DifferenceCluster*> list() const;
  const DifferenceCluster* find(std::string_view id) const;  // or the beginning of an id, if only one has it

  // Copies of those that changed since they were kept on a disk, and those that gave way and are still kept.
  // They stay so until they are told to be kept or forgotten, since a disk may fail. What gave way may have
  // come back: forget first, then keep.
  std::vector<DifferenceCluster> changed() const;
  std::vector<ClusterSignature> gone() const;
  void were_kept(std::span<const DifferenceCluster> clusters);
  void were_forgotten(std::span<const ClusterSignature> signatures);

  // Takes out of the examples of a route what a changed spec hides.
  void redact_again(std::string_view route, const Redactor& redactor);

  // The requests of a route are counted anew. Its clusters and their examples stay until others need the
  // room.
  void begin_anew(std::string_view route);

  // All other routes are no more: the same for them, and as nobody says any more what their answers hide,
  // their examples go.
  void end_all_but(std::span<const std::string> routes);

  // Since the route began anew, of one or of all: requests that belong to no cluster that is listed, counted
  // once for each signature; and clusters that gave way.
  std::uint64_t differences_without_room(std::string_view route = {}) const;
  std::uint64_t clusters_gone(std::string_view route = {}) const;

 private:
  struct Kept {
    DifferenceCluster cluster;
    std::uint64_t weight = 0;     // how often it was seen lately, with a room or without
    std::uint64_t counted = 0;    // requests since the route began anew, in this run
    std::uint64_t last_pair = 0;  // by number
    bool is_changed = false;
    bool is_stored = false;
  };
  struct OfRoute {
    std::size_t clusters = 0;
    std::uint64_t pairs = 0;
    RareSightings without_room;
    std::uint64_t differences_without_room = 0;
    std::uint64_t clusters_gone = 0;
  };
  class RedactedPair;
  using Clusters = std::map<ClusterSignature, Kept>;

  bool has_room(const OfRoute& of_route) const;
  Kept* find_or_add(const ClusterSignature& signature, OfRoute& of_route, WallTime now);
  Kept& add(const ClusterSignature& signature, OfRoute& of_route, WallTime now);
  bool make_room(const std::string& route, const OfRoute& of_route, std::uint64_t seen);
  std::string_view largest_route() const;
  void let_go(Clusters::iterator gone);
  void fade(std::string_view route, OfRoute& of_route);
  void keep_exemplar(DifferenceCluster& cluster, const DifferingPair::Difference& difference,
                     RedactedPair& redacted, WallTime now);

  Random random_;
  Clusters clusters_;
  std::map<std::string, OfRoute, std::less<>> routes_;
  std::set<ClusterSignature> gone_;
  std::uint64_t pairs_ = 0;
  std::vector<std::uint64_t> refused_;  // of the pair at hand: those that have no room
};

// "3f9a12c07b1e": stable for ever, so that what a person wrote down finds the same cluster tomorrow.
std::string cluster_id(const ClusterSignature& signature);

}  // namespace oxbow
