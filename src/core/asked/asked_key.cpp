#include "core/asked/asked_key.hpp"

#include <algorithm>
#include <set>

namespace oxbow {
namespace {

// "a=1, b=2" with columns a and b, and whatever the values hold; none if it is something else.
std::optional<AskedKey::Columns> split(std::string_view shown, const std::vector<std::string>& columns) {
  AskedKey::Columns values;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    auto title = columns[i] + "=";
    if (!shown.starts_with(title)) return std::nullopt;
    shown.remove_prefix(title.size());
    auto next = i + 1 < columns.size() ? shown.find(", " + columns[i + 1] + "=") : shown.size();
    if (next == shown.npos) return std::nullopt;
    values[columns[i]] = shown.substr(0, next);
    shown.remove_prefix(std::min(shown.size(), i + 1 < columns.size() ? next + 2 : next));
  }
  return values;
}

// Both names of a column of the table, in the order legacy, new.
std::vector<std::string> names_of(const std::string& column, const KeyNames& table) {
  for (std::size_t i = 0; i < table.legacy.size(); ++i)
    if (column == table.legacy[i] || column == table.new_side[i]) return {table.legacy[i], table.new_side[i]};
  if (column == table.legacy_entity || column == table.new_entity)
    return {table.legacy_entity, table.new_entity};
  return {};
}

}  // namespace

AskedKey AskedKey::parse(std::string_view text, const std::vector<KeyNames>& tables) {
  std::set<std::string> known;
  for (const auto& table : tables) {
    for (const auto* names : {&table.legacy, &table.new_side}) known.insert(names->begin(), names->end());
    known.insert({table.legacy_entity, table.new_entity});
  }
  known.erase("");
  AskedKey asked;
  asked.text_ = text;
  std::string column;
  for (std::size_t at = 0; at < text.size();) {
    auto is_title = [&](const std::string& name) { return text.substr(at).starts_with(name + "="); };
    auto found = std::ranges::find_if(known, is_title);
    if (found == known.end()) {
      asked.columns_.clear();
      return asked;
    }
    column = *found;
    at += column.size() + 1;
    auto end = at;
    for (; end < text.size(); ++end) {
      auto begins = [&](const std::string& name) { return text.substr(end).starts_with(", " + name + "="); };
      if (std::ranges::any_of(known, begins)) break;
    }
    asked.columns_[column] = text.substr(at, end - at);
    at = end == text.size() ? end : end + 2;
  }
  return asked;
}

bool AskedKey::means(std::string_view shown, const KeyNames& table) const {
  if (shown == text_) return true;
  for (const auto* columns : {&table.legacy, &table.new_side}) {
    if (columns->empty()) continue;
    if (auto row = split(shown, *columns)) return means_row(*row, table);
  }
  return false;
}

bool AskedKey::means_row(const Columns& row, const KeyNames& table) const {
  auto holds = [&](const std::string& column, const std::string& value) {
    auto at = row.find(column);
    return !column.empty() && at != row.end() && at->second == value;
  };
  if (columns_.empty()) {
    bool is_sole = table.legacy.size() == 1;
    return holds(table.legacy_entity, text_) || holds(table.new_entity, text_) ||
           (is_sole && (holds(table.legacy.front(), text_) || holds(table.new_side.front(), text_)));
  }
  return std::ranges::all_of(columns_, [&](const auto& named) {
    auto names = names_of(named.first, table);
    return std::ranges::any_of(names, [&](const std::string& name) { return holds(name, named.second); });
  });
}

std::vector<std::string> AskedKey::leading_values(const KeyNames& table) const {
  if (columns_.empty()) {
    bool leads =
        table.legacy.size() == 1 || (!table.legacy.empty() && table.legacy.front() == table.legacy_entity);
    return leads ? std::vector{text_} : std::vector<std::string>{};
  }
  std::vector<std::string> values;
  for (std::size_t i = 0; i < table.legacy.size(); ++i) {
    auto named = columns_.find(table.legacy[i]);
    if (named == columns_.end()) named = columns_.find(table.new_side[i]);
    if (named == columns_.end()) break;
    values.push_back(named->second);
  }
  return values.size() == columns_.size() ? values : std::vector<std::string>{};
}

}  // namespace oxbow
