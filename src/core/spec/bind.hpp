// The steps of parse_spec(), for its own sources only. Each turns checked nodes into values of the model and
// reports what the grammar cannot say. A node that check_grammar() has refused reads as absent, so that one
// mistake does not bring about others.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec/mistake.hpp"
#include "core/spec/node.hpp"
#include "model/spec.hpp"

namespace oxbow {

// The value of `key`, or null if it is absent or undecided.
inline const SpecNode* decided(const SpecNode& node, std::string_view key) {
  const auto* value = node.find(key);
  return value && !is_undecided(*value) ? value : nullptr;
}

inline std::string text_at(const SpecNode& node, std::string_view key) {
  const auto* value = decided(node, key);
  return value ? value->text : std::string();
}

// parsed_at(node, "until", parse_calendar_date)
template <class Parse>
auto parsed_at(const SpecNode& node, std::string_view key, Parse parse)
    -> decltype(parse(std::string_view())) {
  const auto* value = decided(node, key);
  if (!value || !value->is_scalar()) return std::nullopt;
  return parse(value->text);
}

// The texts of a list; nothing for undecided items.
std::vector<std::string> texts_at(const SpecNode& node, std::string_view key);

// The items of `redact`; names of header fields in lower case.
std::vector<std::string> bind_redact(const SpecNode& node);

TableSpec bind_table(const SpecNode& node, std::string_view entity_key, Mistakes& mistakes);
std::map<ReadClass, State> bind_reads(const SpecNode& node);
// `entity` has its key and tables already.
std::vector<Route> bind_routes(const SpecNode& list, const EntitySpec& entity, Mistakes& mistakes);
void bind_compare(const SpecNode& list, const EntitySpec& entity, Route& route, Mistakes& mistakes);
EntitySpec bind_entity(const std::string& name, const SpecNode& node, Mark mark, Mistakes& mistakes);

GatewaySpec bind_gateway(const SpecNode& node, Mistakes& mistakes);

// What holds between the gateway, the systems and the routes.
void check_gateway(const Spec& spec, const SpecNode& root, Mistakes& mistakes);

// What holds between entities: who owns which table, which route, which group.
void check_entities_together(const Spec& spec, const SpecNode& root, Mistakes& mistakes);

}  // namespace oxbow
