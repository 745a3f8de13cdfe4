#include "model/catalog.hpp"

#include <algorithm>

namespace oxbow {

std::string to_string(const TableName& name) {
  return name.schema + "." + name.name;
}
std::string quoted(const TableName& name) {
  return quote_identifier(name.schema) + "." + quote_identifier(name.name);
}

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + "\"";
}

std::string quote_literal(std::string_view text) {
  bool escapes = text.find('\\') != std::string_view::npos;
  std::string out = escapes ? " E'" : "'";
  for (char c : text) out.append(c == '\'' || c == '\\' ? 2 : 1, c);
  return out + "'";
}

const Type& base_type(const Type& type) {
  return type.kind == TypeKind::domain && !type.inner.empty() ? base_type(type.inner.front()) : type;
}

bool same_values(const Type& a, const Type& b) {
  const Type& x = base_type(a);
  const Type& y = base_type(b);
  if (x.kind != y.kind) return false;
  switch (x.kind) {
    case TypeKind::enumeration:
      return x.labels == y.labels;
    case TypeKind::array:
    case TypeKind::range:
    case TypeKind::multirange:
      return x.inner.size() == 1 && y.inner.size() == 1 && same_values(x.inner.front(), y.inner.front()) &&
             x.modifier == y.modifier;
    case TypeKind::base:
      return x.name == y.name && x.modifier == y.modifier && x.is_builtin() == y.is_builtin();
    case TypeKind::domain:
    case TypeKind::composite:
    case TypeKind::pseudo:
      return false;
  }
  return false;
}

std::optional<ReplicaIdentity> to_replica_identity(char letter) {
  using enum ReplicaIdentity;
  for (auto identity : {default_key, nothing, full, index})
    if (static_cast<char>(identity) == letter) return identity;
  return std::nullopt;
}

const Column* Table::find_column(std::string_view column) const {
  auto index = column_index(column);
  return index ? &columns[*index] : nullptr;
}

std::optional<std::size_t> Table::column_index(std::string_view column) const {
  auto at = std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.name == column; });
  if (at == columns.end()) return std::nullopt;
  return static_cast<std::size_t>(at - columns.begin());
}

const Index* Table::primary_key() const {
  auto at = std::find_if(indexes.begin(), indexes.end(), [](const Index& index) { return index.primary; });
  return at == indexes.end() ? nullptr : &*at;
}

const Table* Catalog::find(const TableName& name) const {
  auto at = tables.find(name);
  return at == tables.end() ? nullptr : &at->second;
}

}  // namespace oxbow
