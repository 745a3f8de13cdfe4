// Differences between answers, told apart by what they are and not by where they happened to be: millions of
// differing requests become a few clusters, each with some pairs of answers kept as examples. Values only.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace oxbow {

// What makes two differences the same one.
struct ClusterSignature {
  std::string route;   // "GET /payments/{payment_id}"
  std::string path;    // into legacy's answer, indices left out: "$.items[*].price"
  std::string kind;    // missing, extra, type, value, order, length, status, header
  std::string values;  // the classes of both values: "number / text"

  friend auto operator<=>(const ClusterSignature&, const ClusterSignature&) = default;
};

// One pair of answers, redacted and cut to size before it was stored.
struct ExemplarPair {
  struct Answer {
    int status = 0;
    std::string value;  // what differs
    std::string body;

    friend bool operator==(const Answer&, const Answer&) = default;
  };

  WallTime at{};
  std::string request;  // "GET /payments/4711?full=1"
  Answer legacy;
  Answer new_side;

  friend bool operator==(const ExemplarPair&, const ExemplarPair&) = default;

  std::size_t bytes() const {
    return request.size() + legacy.value.size() + legacy.body.size() + new_side.value.size() +
           new_side.body.size();
  }
};

struct DifferenceCluster {
  std::string id;  // follows from the signature, the same after a restart
  ClusterSignature signature;
  std::uint64_t count = 0;         // requests
  std::uint64_t count_before = 0;  // of these, before the figures of the route began anew; not kept
  WallTime first_seen{};
  WallTime last_seen{};
  std::vector<ExemplarPair> exemplars;  // a uniform sample of all that were seen

  std::uint64_t count_now() const { return count - count_before; }

  friend bool operator==(const DifferenceCluster&, const DifferenceCluster&) = default;
};

}  // namespace oxbow
