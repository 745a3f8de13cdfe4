#include "core/spec/parse.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/assert.hpp"
#include "core/spec/bind.hpp"
#include "core/spec/check.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  int done = EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr);
  OXBOW_ASSERT(done == 1 && length == digest.size(), "SHA-256 is not available");
  std::string hex;
  for (auto byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

bool is_any_encrypted(const std::vector<std::string>& services) {
  return std::ranges::any_of(services, [](const auto& each) { return each.starts_with("https://"); });
}

SystemSpec bind_system(const SpecNode& systems, std::string_view side, const Environment& environment,
                       Mistakes& mistakes) {
  const auto* node = decided(systems, side);
  if (!node) return {};
  SystemSpec system;
  if (const auto* service = decided(*node, "service"))
    system.services = service->is_scalar() ? std::vector{service->text} : texts_at(*node, "service");
  system.health_path = text_at(*node, "health");
  if (const auto* health = node->find("health"); health && !node->find("service"))
    mistakes.add(health->mark,
                 "'health' is asked of a service; name its address: service: http://127.0.0.1:8081");
  system.service_ca = text_at(*node, "ca");
  if (const auto* ca = node->find("ca"); ca && !is_any_encrypted(system.services))
    mistakes.add(ca->mark, "'ca' is for services with TLS; name one: service: https://pay.internal");
  system.mark = node->mark;
  const auto* database = decided(*node, "database");
  if (!database) return system;
  system.mark = database->mark;
  auto address = expand_environment(database->text, environment);
  if (address) system.database = *address;
  if (!address)
    mistakes.add(database->mark, "the address of the {} database: {}", side, address.error().detail);
  return system;
}

void bind_systems(const SpecNode& root, const Environment& environment, Spec& spec, Mistakes& mistakes) {
  const auto* systems = decided(root, "systems");
  if (!systems) return;
  spec.legacy = bind_system(*systems, "legacy", environment, mistakes);
  spec.new_side = bind_system(*systems, "new", environment, mistakes);
}

Limits bind_limits(const SpecNode& node) {
  Limits limits;
  limits.workers = static_cast<int>(parsed_at(node, "workers", parse_count).value_or(limits.workers));
  limits.rows_per_second_max =
      parsed_at(node, "rows_per_second", parse_count).value_or(limits.rows_per_second_max);
  limits.bytes_per_second_max =
      parsed_at(node, "bytes_per_second", parse_size).value_or(limits.bytes_per_second_max);
  limits.retained_wal_bytes_max =
      parsed_at(node, "retained_wal", parse_size).value_or(limits.retained_wal_bytes_max);
  limits.lag_max = parsed_at(node, "lag", parse_duration).value_or(limits.lag_max);
  limits.handover_prepare_max =
      parsed_at(node, "handover_prepare", parse_duration).value_or(limits.handover_prepare_max);
  limits.write_pause_max = parsed_at(node, "write_pause", parse_duration).value_or(limits.write_pause_max);
  limits.active_sessions_max =
      parsed_at(node, "active_sessions", parse_count).value_or(limits.active_sessions_max);
  limits.on_ddl = text_at(node, "on_ddl") == "continue" ? OnDdl::carry_on : OnDdl::pause;
  return limits;
}

GateSpec bind_gate(const SpecNode& node) {
  return {.proof_age_max = parsed_at(node, "proof_age_max", parse_duration),
          .divergence_max = parsed_at(node, "divergence_max", parse_count),
          .coverage_min_percent = parsed_at(node, "coverage_min", parse_percent),
          .lag_max = parsed_at(node, "lag_max", parse_duration),
          .lag_bytes_max = parsed_at(node, "lag_bytes_max", parse_size),
          .in_state_min = parsed_at(node, "in_state_min", parse_duration)};
}

void bind_top(const SpecNode& root, Spec& spec) {
  spec.migration = text_at(root, "migration");
  if (const auto* owners = decided(root, "owners"))
    spec.owners = {.legacy = text_at(*owners, "legacy"),
                   .new_side = text_at(*owners, "new"),
                   .coexistence = text_at(*owners, "coexistence")};
  for (const auto& text : texts_at(root, "exclude"))
    if (auto table = parse_table_name(text)) spec.excluded.push_back(*table);
  if (const auto* limits = decided(root, "limits")) spec.limits = bind_limits(*limits);
  if (const auto* gates = decided(root, "gates")) {
    for (const auto& [key, gate] : gates->entries)
      if (auto state = parse_state(key.text)) spec.gates.emplace(*state, bind_gate(gate));
  }
  if (const auto* rollback = decided(root, "rollback")) {
    spec.rollback_deadline = parsed_at(*rollback, "deadline", parse_calendar_date);
    spec.rollback_rehearsed_within = parsed_at(*rollback, "rehearsed_within", parse_duration);
  }
  if (const auto* sunset = decided(root, "sunset")) {
    spec.remove_by = parsed_at(*sunset, "remove_by", parse_calendar_date);
    spec.deletion_owner = text_at(*sunset, "deletion_owner");
    spec.quiet_for = parsed_at(*sunset, "quiet_for", parse_duration).value_or(spec.quiet_for);
  }
}

void bind_entities(const SpecNode& root, Spec& spec, Mistakes& mistakes) {
  const auto* entities = decided(root, "entities");
  if (!entities) return;
  for (const auto& [key, entity] : entities->entries)
    if (!is_undecided(entity)) spec.entities.push_back(bind_entity(key.text, entity, key.mark, mistakes));
}

}  // namespace

ParsedSpec parse_spec(const SpecNode& root, std::string_view text, const Environment& environment) {
  Mistakes mistakes;
  check_grammar(root, mistakes);

  Spec spec;
  spec.hash = sha256_hex(text);
  bind_top(root, spec);
  bind_systems(root, environment, spec, mistakes);
  bind_entities(root, spec, mistakes);
  if (const auto* gateway = decided(root, "gateway")) spec.gateway = bind_gateway(*gateway, mistakes);
  check_entities_together(spec, root, mistakes);
  check_gateway(spec, root, mistakes);

  ParsedSpec parsed{.spec = std::nullopt, .mistakes = mistakes.take_sorted()};
  if (parsed.mistakes.empty()) parsed.spec = std::move(spec);
  return parsed;
}

}  // namespace oxbow
