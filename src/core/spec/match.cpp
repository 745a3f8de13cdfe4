#include "core/spec/match.hpp"

#include <algorithm>
#include <set>

namespace oxbow {
namespace {

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
char to_lower(char c) {
  return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string without_plural(std::string word) {
  if (word.size() > 4 && word.ends_with("ies")) return word.substr(0, word.size() - 3) + "y";
  for (std::string_view ending : {"sses", "xes", "ches", "shes"})
    if (word.size() > ending.size() && word.ends_with(ending)) return word.substr(0, word.size() - 2);
  bool plural = word.size() > 3 && word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us") &&
                !word.ends_with("is");
  if (plural) word.pop_back();
  return word;
}

std::string bare_name(std::string_view column, const Table& table) {
  auto name = normalised_name(column);
  auto prefix = normalised_name(table.name.name) + " ";
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

bool takes_part(const Table& table) {
  return !table.is_partition && table.name.schema != "oxbow";
}

std::vector<const Table*> participants(const Catalog& catalog) {
  std::vector<const Table*> tables;
  for (const auto& [name, table] : catalog.tables)
    if (takes_part(table)) tables.push_back(&table);
  return tables;
}

// "pgbench " where all tables are called pgbench_accounts, pgbench_tellers and so on; empty if they share no
// first word.
std::string shared_first_word(const std::vector<const Table*>& tables) {
  if (tables.size() < 2) return {};
  auto first = normalised_name(tables.front()->name.name);
  auto word = first.substr(0, first.find(' ') + 1);
  bool shared = !word.empty() && std::ranges::all_of(tables, [&](const Table* table) {
    return normalised_name(table->name.name).starts_with(word);
  });
  return shared ? word : std::string();
}

class TableMatcher {
 public:
  TableMatcher(const Catalog& legacy, const Catalog& new_side)
      : legacy_(participants(legacy)),
        new_(participants(new_side)),
        legacy_prefix_(shared_first_word(legacy_)),
        new_prefix_(shared_first_word(new_)) {}

  TableMatches match() {
    TableMatches matches;
    std::set<const Table*> resembled;
    for (const auto* table : legacy_) {
      auto candidates = candidates_for(*table);
      resembled.insert(candidates.begin(), candidates.end());
      const auto* only = candidates.size() == 1 ? candidates.front() : nullptr;
      matches.tables.push_back({.legacy = table, .new_side = only, .candidates = std::move(candidates)});
    }
    leave_rivals_open(matches.tables);
    std::ranges::copy_if(new_, std::back_inserter(matches.unfed),
                         [&](const Table* table) { return !resembled.contains(table); });
    return matches;
  }

 private:
  // The surest resemblance that any new table has.
  std::vector<const Table*> candidates_for(const Table& legacy) const {
    auto with = [&](auto resembles) {
      std::vector<const Table*> found;
      std::ranges::copy_if(new_, std::back_inserter(found), [&](const Table* t) { return resembles(*t); });
      return found;
    };
    auto word = normalised_name(legacy.name.name);
    auto bare_word = word.substr(legacy_prefix_.size());
    auto candidates = with([&](const Table& t) { return t.name == legacy.name; });
    if (candidates.empty())
      candidates = with([&](const Table& t) { return t.name.name == legacy.name.name; });
    if (candidates.empty())
      candidates = with([&](const Table& t) { return normalised_name(t.name.name) == word; });
    if (candidates.empty())
      candidates = with([&](const Table& t) {
        return normalised_name(t.name.name).substr(new_prefix_.size()) == bare_word;
      });
    return candidates;
  }

  // Where two legacy tables resemble one new table, neither is certain, unless one has its very name.
  static void leave_rivals_open(std::vector<TableMatch>& tables) {
    for (auto& match : tables) {
      if (match.candidates.size() != 1 || match.candidates.front()->name == match.legacy->name) continue;
      auto rivals = std::ranges::count_if(tables, [&](const TableMatch& other) {
        return std::ranges::find(other.candidates, match.candidates.front()) != other.candidates.end();
      });
      if (rivals > 1) match.new_side = nullptr;
    }
  }

  std::vector<const Table*> legacy_;
  std::vector<const Table*> new_;
  std::string legacy_prefix_;  // with its blank
  std::string new_prefix_;
};

// A new column is one legacy column's only if no second legacy column resembles it in the same way.
class ColumnMatcher {
 public:
  ColumnMatcher(const Table& legacy, const Table& new_side) : legacy_(legacy), new_(new_side) {
    for (const auto& column : legacy.columns)
      if (!column.generated) matches_.columns.push_back({.legacy = &column});
  }

  ColumnMatches match() {
    pair_up([](const Column& column, const Table&) { return column.name; });
    pair_up([](const Column& column, const Table&) { return normalised_name(column.name); });
    pair_up([](const Column& column, const Table& table) { return bare_name(column.name, table); });
    for (const auto& column : new_.columns)
      if (!column.generated && !taken_.contains(&column)) matches_.unfed.push_back(&column);
    return std::move(matches_);
  }

 private:
  template <class Name>
  void pair_up(Name name_of) {
    for (auto& match : matches_.columns) {
      if (match.new_side) continue;
      auto name = name_of(*match.legacy, legacy_);
      auto rivals = std::ranges::count_if(matches_.columns, [&](const ColumnMatch& other) {
        return !other.new_side && name_of(*other.legacy, legacy_) == name;
      });
      const Column* only = nullptr;
      for (const auto& column : new_.columns) {
        if (taken_.contains(&column) || name_of(column, new_) != name) continue;
        if (only) ++rivals;
        only = &column;
      }
      if (only && rivals == 1) {
        match.new_side = only;
        taken_.insert(only);
      }
    }
  }

  const Table& legacy_;
  const Table& new_;
  ColumnMatches matches_;
  std::set<const Column*> taken_;
};

}  // namespace

std::string normalised_name(std::string_view name) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    bool separates = c == '_' || c == '-' || c == ' ' || c == '.';
    bool camel = is_upper(c) && i > 0 && !is_upper(name[i - 1]);
    if ((separates || camel) && !words.back().empty()) words.emplace_back();
    if (!separates) words.back() += to_lower(c);
  }
  std::string out;
  for (auto& word : words) {
    if (word.empty()) continue;
    if (!out.empty()) out += ' ';
    out += without_plural(std::move(word));
  }
  return out;
}

TableMatches match_tables(const Catalog& legacy, const Catalog& new_side) {
  return TableMatcher(legacy, new_side).match();
}

ColumnMatches match_columns(const Table& legacy, const Table& new_side) {
  return ColumnMatcher(legacy, new_side).match();
}

}  // namespace oxbow
