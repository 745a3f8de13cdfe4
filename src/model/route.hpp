// One HTTP route of an entity: which requests it takes, whom they touch, and what becomes of them and of
// their shadows. As its owners declared it, validated.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "model/catalog.hpp"
#include "model/compare_rule.hpp"
#include "model/mark.hpp"

namespace oxbow {

enum class ReadClass { latency, consistency, historical, bulk };

inline constexpr std::array kReadClassNames = {std::string_view("latency"), std::string_view("consistency"),
                                               std::string_view("historical"), std::string_view("bulk")};

constexpr std::string_view name(ReadClass read_class) {
  return kReadClassNames[static_cast<std::size_t>(read_class)];
}

// `none`: a request of this route names no single key, as a list does.
enum class RequestPart { none, path, query, header, cookie, body };

inline constexpr std::array kRequestPartNames = {std::string_view("none"),   std::string_view("path"),
                                                 std::string_view("query"),  std::string_view("header"),
                                                 std::string_view("cookie"), std::string_view("body")};

constexpr std::string_view name(RequestPart part) {
  return kRequestPartNames[static_cast<std::size_t>(part)];
}

// Where a request carries the key of its entity.
struct KeySource {
  RequestPart part = RequestPart::none;
  std::string name;  // of the parameter, field or cookie; of `body` the members, joined by dots

  friend bool operator==(const KeySource&, const KeySource&) = default;
};

// Which share of a route's requests is copied to the side that does not answer.
struct ShadowRule {
  std::uint32_t buckets = 0;  // of kBucketCount; 0: none
  std::string path;           // of a write: the path on the new side that changes nothing

  friend bool operator==(const ShadowRule&, const ShadowRule&) = default;
};

// The object at a path of legacy's answer shows a row of a legacy table of the entity, so the table's mapping
// says how the two answers correspond.
struct ShapeRule {
  TableName table;
  std::string at;  // "$", "$.items[*]"
  Mark mark;

  friend bool operator==(const ShapeRule&, const ShapeRule&) = default;
};

struct Route {
  std::string method;
  std::string path;  // "/payments/{payment_id}"
  std::string host;  // lower case, without a port; empty: any
  std::vector<std::pair<std::string, std::string>>
      headers;                   // name in lower case, value; all of them must hold
  std::optional<KeySource> key;  // set in every spec that has a gateway
  std::optional<ReadClass> read;
  bool write = false;
  std::vector<std::string> operation_key;
  std::string switch_group;
  ShadowRule shadow;
  std::vector<CompareRule> compare;
  // Header fields that are compared beside those that always are; lower case, sorted, each once.
  std::vector<std::string> compare_headers;
  std::vector<ShapeRule> shapes;
  // What examples of differences never hold: "$..iban", "header.x-account", "query.iban", "path.holder".
  std::vector<std::string> redact;
  Duration recheck_after = std::chrono::milliseconds(500);  // a difference is looked at again; 0: it is not
  Mark mark;
};

}  // namespace oxbow
