#include <map>

#include "core/spec/bind.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

std::vector<ListenSpec> bind_listen(const SpecNode& list, Mistakes& mistakes) {
  std::vector<ListenSpec> addresses;
  std::map<std::string, Mark> seen;
  for (const auto& item : list.items) {
    ListenSpec listen;
    listen.mark = item.mark;
    if (is_undecided(item)) continue;
    listen.address = item.is_scalar() ? item.text : text_at(item, "address");
    listen.certificate = text_at(item, "certificate");
    listen.key = text_at(item, "key");
    auto [first, is_new] = seen.emplace(listen.address, item.mark);
    if (!is_new && !listen.address.empty() && !listen.address.ends_with(":0"))
      mistakes.add(item.mark, "the gateway listens on {} already; first in line {}", listen.address,
                   first->second.line);
    addresses.push_back(std::move(listen));
  }
  return addresses;
}

// Overwrites `value` with what stands at `key`, if it does.
template <class Parse, class Value>
void read_into(Value& value, const SpecNode& node, std::string_view key, Parse parse) {
  value = parsed_at(node, key, parse).value_or(value);
}

GatewayLimits bind_limits(const SpecNode& node) {
  GatewayLimits limits;
  read_into(limits.connections_max, node, "connections", parse_count);
  read_into(limits.requests_max, node, "requests", parse_count);
  read_into(limits.header_bytes_max, node, "header_bytes", parse_size);
  read_into(limits.header_time_max, node, "header_time", parse_duration);
  read_into(limits.idle_time_max, node, "idle_time", parse_duration);
  read_into(limits.connect_time_max, node, "connect_time", parse_duration);
  read_into(limits.answer_time_max, node, "answer_time", parse_duration);
  read_into(limits.body_time_max, node, "body_time", parse_duration);
  read_into(limits.drain_time_max, node, "drain_time", parse_duration);
  return limits;
}

ShadowLimits bind_shadow_limits(const SpecNode& node) {
  ShadowLimits limits;
  read_into(limits.memory_bytes_max, node, "memory", parse_size);
  read_into(limits.body_bytes_max, node, "body", parse_size);
  read_into(limits.time_max, node, "time", parse_duration);
  read_into(limits.connections_max, node, "connections", parse_count);
  read_into(limits.twin_buckets, node, "twin", parse_buckets_or_none);
  return limits;
}

HealthRule bind_health(const SpecNode& node) {
  HealthRule rule;
  read_into(rule.every, node, "every", parse_duration);
  read_into(rule.failures, node, "failures", parse_count);
  return rule;
}

ReadYourWrites bind_read_your_writes(const SpecNode& node, Mistakes& mistakes) {
  ReadYourWrites rule{.cookie = text_at(node, "cookie"), .header = text_at(node, "header")};
  read_into(rule.wait_max, node, "wait", parse_duration);
  if (rule.cookie.empty() == rule.header.empty() && !node.find("cookie") == !node.find("header"))
    mistakes.add(node.mark,
                 "read_your_writes needs one place where clients carry along how far they have seen: cookie: "
                 "NAME, or header: NAME");
  return rule;
}

void check_shadow_budget(const SpecNode& node, const ShadowLimits& limits, Mistakes& mistakes) {
  if (limits.body_bytes_max > limits.memory_bytes_max)
    mistakes.add(node.mark, "one body of a shadow may be larger than the memory of all shadows together");
}

bool is_declared(const SpecNode& root, std::string_view side) {
  const auto* systems = root.find("systems");
  const auto* system = systems ? systems->find(side) : nullptr;
  return !system || !system->is_map() || system->find("service");
}

// Without a key nobody knows which cohort a request touches, and so which side may answer it.
void check_key(const EntitySpec& entity, const Route& route, Mistakes& mistakes) {
  if (route.key) return;
  mistakes.add(
      route.mark,
      "the gateway does not find the key of '{0}' in {1} {2}: name a part of the path {{{3}}}, or say "
      "where it is with key: path.x, query.x, header.x, cookie.x or body.x, or key: none",
      entity.name, route.method, route.path, entity.key);
}

}  // namespace

GatewaySpec bind_gateway(const SpecNode& node, Mistakes& mistakes) {
  GatewaySpec gateway;
  gateway.mark = node.mark;
  if (const auto* listen = decided(node, "listen")) gateway.listen = bind_listen(*listen, mistakes);
  gateway.state_headers = text_at(node, "state_headers") == "true";
  gateway.access_log = text_at(node, "access_log");
  gateway.version_header = text_at(node, "version_header");
  if (const auto* limits = decided(node, "limits")) gateway.limits = bind_limits(*limits);
  if (const auto* shadow = decided(node, "shadow")) {
    gateway.shadow = bind_shadow_limits(*shadow);
    check_shadow_budget(*shadow, gateway.shadow, mistakes);
  }
  if (const auto* health = decided(node, "health")) gateway.health = bind_health(*health);
  if (const auto* rule = decided(node, "read_your_writes"))
    gateway.read_your_writes = bind_read_your_writes(*rule, mistakes);
  gateway.redact = bind_redact(node);
  return gateway;
}

void check_gateway(const Spec& spec, const SpecNode& root, Mistakes& mistakes) {
  if (!spec.gateway) return;
  bool has_routes = false;
  for (const auto& entity : spec.entities) {
    for (const auto& route : entity.routes) check_key(entity, route, mistakes);
    has_routes |= !entity.routes.empty();
  }
  if (!is_declared(root, "legacy"))
    mistakes.add(spec.gateway->mark,
                 "the gateway needs the address of the legacy service: systems.legacy.service");
  if (has_routes && !is_declared(root, "new"))
    mistakes.add(
        spec.gateway->mark,
        "the gateway needs the address of the new service, because there are routes: systems.new.service");
}

}  // namespace oxbow
