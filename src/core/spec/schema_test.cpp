#include "core/spec/schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "core/spec/check.hpp"
#include "core/spec/grammar.hpp"
#include "support/schema_validator.hpp"
#include "support/spec_text.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kEverything = R"(migration: everything
owners: {legacy: a, new: b, coexistence: c}
systems:
  legacy: {database: "postgresql:///a", service: "http://127.0.0.1:1", health: /healthz}
  new: {database: "host=b dbname=b", service: ["unix:/run/b.sock", "https://b.internal"], ca: ca.pem}
entities:
  e:
    key: id
    tables:
      - legacy: public.t
        new: '"we ird"."ta.ble"'
        identity: [id]
        columns:
          id: id
          b: {to: b2, backward: "b2 + 1", why: because}
          c: {cast: bigint, to: c2, backward: c2, why: w}
          e: {scale: 100, to: e2, backward: e2, why: w}
          f: {map: {A: authorised, 1: one}, to: f2, backward: f2, why: w}
          g: {split: " ", to: [first, last], backward: first, why: w}
          h: {json: {city: address."post.code"}, backward: city, why: w}
          i: {drop: true, why: gone, backward: "''"}
        add:
          j: {constant: 0, why: w}
          k: {default: true, why: w}
          l: {concat: [x, y], with: "-", why: w}
          m: {sql: "x + 1", from: [x], backward: "m - 1", why: w}
        may_differ: [{column: id, until: 2027-03-01, why: w}]
        new_only: "id > 3"
      - {legacy: u, new: v, identity: full-row}
    routes:
      - route: "GET /a/{x}"
        read: latency
        switch_group: g
        host: a.example.com
        headers: {X-Version: 2}
        key: path.x
        shadow: 12.5%
        recheck_after: 2s
        redact: [$..iban, path.x, query.by]
        compare_headers: [ETag, Set-Cookie]
        compare:
          - {ignore: $.b, why: w}
          - {ignore_header: X-Id, why: w}
          - {tolerance: header.X-Total, relative: 0.1}
          - {unordered: '$.c["d e"]', why: w}
          - {keyed: '$.items[*]', by: [x], why: w}
          - {tolerance: '$..["y\"z"].straße', absolute: 0.01, relative: 0.001, why: w}
          - {time_skew: $.at, by: 2s, why: w}
          - {same_class: $.error, classes: [a, b], why: w}
          - {map: $.state, values: {A: authorised}, why: w}
          - {rename: $.b, to: c, why: w}
          - {scale: $.amount, factor: 100, why: w}
          - {shape: u, at: $}
      - {route: "OPTIONS /b", read: bulk, key: none, shadow: off}
      - {route: POST /a, write: true, operation_key: [body.x, header.Y], host: b, headers: {a: b},
        key: body.x,
        shadow: {percent: 1, path: /dry/a}, compare: [{unordered: $}], recheck_after: 0s,
        redact: [header.X-Id]}
      - {route: DELETE /a, write: true, operation_key: [query.x], key: cookie.x, shadow: off}
    cohorts:
      - {name: pilot, keys: ["1", 2]}
      - {name: some, percent: 0.5}
      - {name: rest}
    reads: {consistency: new-write, latency: new-read, bulk: mirrored, historical: fully-cutover}
    invariants: [{name: i, transition: {column: j, never: ["a -> b"]}}]
gateway:
  listen: ["127.0.0.1:0", {address: "[::1]:8443", certificate: c.pem, key: k.pem}]
  state_headers: true
  access_log: "-"
  limits: {connections: 100, requests: 50, header_bytes: 16kB, header_time: 5s, idle_time: 60s,
    connect_time: 1s, answer_time: 30s, body_time: 10s, drain_time: 5s}
  shadow: {memory: 32MB, body: 512kB, time: 3s, connections: 8, twin: 0}
  redact: [$.a, header.X-Account]
  version_header: X-Version
  health: {every: 1s, failures: 2}
  read_your_writes: {cookie: seen, wait: 20ms}
exclude: [public.audit_log]
limits: {workers: 4, rows_per_second: 5000, bytes_per_second: 50MB, retained_wal: 1GB, lag: 5s,
  active_sessions: 20, handover_prepare: 30s, write_pause: 500ms, on_ddl: pause}
gates:
  mirrored: {lag_max: 1s, lag_bytes_max: 1GB, in_state_min: 1h}
  new-write: {proof_age_max: 15m, divergence_max: 0, coverage_min: 99.9%, lag_max: 500ms,
              lag_bytes_max: 10MB, in_state_min: 1d}
  new-read: {divergence_max: 0}
  fully-cutover: {divergence_max: 0}
rollback: {deadline: 2027-02-01, rehearsed_within: 14d}
sunset: {remove_by: 2027-04-01, deletion_owner: d, quiet_for: 3d}
)";

// Walks over all parts of a tree; `change` changes one of them, calls `changed` and puts it back.
using Change = std::function<void(SpecNode&, const std::function<void()>& changed)>;

void for_each_change(SpecNode& node, const Change& change, const std::function<void()>& changed) {
  change(node, changed);
  for (auto& item : node.items) for_each_change(item, change, changed);
  for (auto& entry : node.entries) for_each_change(entry.value, change, changed);
}

bool parser_accepts(const SpecNode& root) {
  Mistakes mistakes;
  check_grammar(root, mistakes);
  return mistakes.size() == 0;
}

void collect_keys(const Shape& shape, std::set<const Shape*>& seen, std::set<std::string>& keys) {
  if (!seen.insert(&shape).second) return;
  for (const auto& key : shape.keys) {
    keys.insert(fmt::format("{}.{}", shape.name, key.name));
    collect_keys(*key.value, seen, keys);
  }
  if (shape.element) collect_keys(*shape.element, seen, keys);
  for (const auto* form : shape.forms) collect_keys(*form, seen, keys);
}

TEST(Schema, HasExactlyTheKeysOfTheGrammar) {
  SchemaValidator validator;
  std::set<std::string> in_schema;
  for (const auto& [name, rule] : validator.schema().find("$defs")->entries)
    if (const auto* properties = rule.find("properties"))
      for (const auto& [key, value] : properties->entries)
        in_schema.insert(fmt::format("{}.{}", name.text, key.text));
  std::set<const Shape*> seen;
  std::set<std::string> in_grammar;
  collect_keys(spec_shape(), seen, in_grammar);
  EXPECT_EQ(in_schema, in_grammar);
  EXPECT_GT(in_schema.size(), 80u);
}

TEST(Schema, AcceptsASpecThatUsesEveryKey) {
  auto root = *read_yaml(kEverything, "oxbow.yaml");
  EXPECT_THAT(lines_of(parse_spec_text(kEverything).mistakes), testing::IsEmpty());
  EXPECT_TRUE(SchemaValidator().accepts(root));

  std::set<const Shape*> seen;
  std::set<std::string> missing;
  collect_keys(spec_shape(), seen, missing);
  auto text = std::string(kEverything);
  for (const auto& key : missing) {
    auto word = key.substr(key.find('.') + 1) + ":";
    EXPECT_NE(text.find(word), std::string::npos) << key << " is used nowhere in the text of this test";
  }
}

TEST(Schema, RefusesAnUnknownKeyWhereverTheParserDoes) {
  SchemaValidator validator;
  auto root = *read_yaml(kEverything, "oxbow.yaml");
  int refused = 0;
  auto add_key = [](SpecNode& part, const std::function<void()>& changed) {
    if (!part.is_map()) return;
    part.entries.push_back(
        {{.kind = SpecNode::Kind::scalar, .text = "zzz"}, {.kind = SpecNode::Kind::scalar, .text = "1"}});
    changed();
    part.entries.pop_back();
  };
  for_each_change(root, add_key, [&] {
    EXPECT_EQ(validator.accepts(root), parser_accepts(root));
    refused += !parser_accepts(root);
  });
  EXPECT_GT(refused, 25);
}

TEST(Schema, NeedsTheKeysThatTheParserNeeds) {
  SchemaValidator validator;
  auto root = *read_yaml(kEverything, "oxbow.yaml");
  int needed = 0;
  auto drop_key = [](SpecNode& part, const std::function<void()>& changed) {
    for (std::size_t i = 0; i < part.entries.size(); ++i) {
      auto entry = part.entries[i];
      part.entries.erase(part.entries.begin() + static_cast<std::ptrdiff_t>(i));
      changed();
      part.entries.insert(part.entries.begin() + static_cast<std::ptrdiff_t>(i), entry);
    }
  };
  for_each_change(root, drop_key, [&] {
    EXPECT_EQ(validator.accepts(root), parser_accepts(root));
    needed += !parser_accepts(root);
  });
  EXPECT_GT(needed, 25);
}

TEST(Schema, RefusesReadsWithAMethodThatWritesAsTheParserDoes) {
  SchemaValidator validator;
  auto with = [](std::string_view method) {
    std::string text(kEverything);
    constexpr std::string_view kRead = "OPTIONS /b";
    return *read_yaml(text.replace(text.find(kRead), kRead.size(), std::string(method) + " /b"),
                      "oxbow.yaml");
  };
  for (auto method : {"GET", "HEAD", "OPTIONS", "POST"}) {
    EXPECT_TRUE(validator.accepts(with(method))) << method;
    EXPECT_TRUE(parser_accepts(with(method))) << method;
  }
  for (auto method : {"PUT", "PATCH", "DELETE"}) {
    EXPECT_FALSE(validator.accepts(with(method))) << method;
    EXPECT_FALSE(parser_accepts(with(method))) << method;
  }
}

TEST(Schema, RefusesValuesOfTheWrongKindWhereverTheParserDoes) {
  SchemaValidator validator;
  auto root = *read_yaml(kEverything, "oxbow.yaml");
  int refused = 0;
  for (const auto& other :
       {SpecNode{.kind = SpecNode::Kind::sequence}, SpecNode{.kind = SpecNode::Kind::map}, SpecNode{}}) {
    for_each_change(
        root,
        [&](SpecNode& part, const std::function<void()>& changed) {
          auto before = std::exchange(part, other);
          changed();
          part = before;
        },
        [&] {
          EXPECT_EQ(validator.accepts(root), parser_accepts(root));
          refused += !parser_accepts(root);
        });
  }
  EXPECT_GT(refused, 250);
}

}  // namespace
}  // namespace oxbow
