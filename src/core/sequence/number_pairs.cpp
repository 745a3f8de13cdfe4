#include "core/sequence/number_pairs.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/sequence/head_room.hpp"
#include "core/sequence/next_number.hpp"

namespace oxbow {
namespace {

std::string name_of(const NumberedColumn& column) {
  return fmt::format("{}.{}", to_string(column.table), column.column);
}

// A default that calls a function, a trigger and an application look the same from outside.
PreflightItem warning_of_unknown_numbers(const NumberedColumn& without, const NumberedColumn& with,
                                         Side side) {
  return {
      PreflightItem::Verdict::warning,
      side,
      fmt::format("{} has no sequence, and {} is numbered by {}: a handover moves that one past every row of "
                  "both sides, and knows nothing of what numbers the other",
                  name_of(without), name_of(with), with.sequence),
      "see to it that whatever numbers it goes on behind the largest number there is, each time it is home",
      {}};
}

std::optional<NumberedColumn> find(const std::vector<NumberedColumn>& numbered, const TableName& table,
                                   const std::string& column) {
  auto found = std::ranges::find_if(
      numbered, [&](const NumberedColumn& each) { return each.table == table && each.column == column; });
  return found == numbered.end() ? std::nullopt : std::optional(*found);
}

bool keeps_numbers(const FieldProgram& program) {
  const auto* convert = std::get_if<ConvertField>(&program.step);
  if (convert == nullptr || program.reads.size() != 1) return false;
  auto step = convert->conversion.step;
  return step == Conversion::Step::bytes || step == Conversion::Step::integer ||
         step == Conversion::Step::number;
}

void warn_of_head_room(const std::optional<NumberedColumn>& column, Side side,
                       std::vector<PreflightItem>& items) {
  if (!column || column->increment < 0) return;
  auto used = std::max(column->last_given.value_or(0), column->largest_row.value_or(0));
  if (auto warning = warning_of_head_room(*column, used + 1))
    items.push_back({PreflightItem::Verdict::warning, side, *warning, {}, {}});
}

}  // namespace

std::vector<NumberPair> pair_numbers(const TableMapping& mapping, const std::vector<NumberedColumn>& legacy,
                                     const std::vector<NumberedColumn>& new_side) {
  std::vector<NumberPair> pairs;
  for (std::size_t i = 0; i < mapping.target.columns.size(); ++i) {
    const auto& program = mapping.programs[i];
    if (!keeps_numbers(program)) continue;
    const auto& source_column = mapping.source_columns[program.reads.front()];
    NumberPair pair{find(legacy, mapping.source, source_column),
                    find(new_side, mapping.target.name, mapping.target.columns[i].name)};
    if (!pair.legacy) pair.without_sequence = {.table = mapping.source, .column = source_column};
    if (!pair.new_side)
      pair.without_sequence = {.table = mapping.target.name, .column = mapping.target.columns[i].name};
    if (pair.legacy || pair.new_side) pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::vector<PreflightItem> judge_numbers(const std::vector<NumberPair>& pairs) {
  std::vector<PreflightItem> items;
  for (const auto& [legacy, new_side, without_sequence] : pairs) {
    warn_of_head_room(legacy, Side::legacy, items);
    warn_of_head_room(new_side, Side::new_side, items);
    if (!legacy || !new_side) {
      items.push_back(warning_of_unknown_numbers(without_sequence, legacy ? *legacy : *new_side,
                                                 legacy ? Side::new_side : Side::legacy));
      continue;
    }
    if (auto next = next_number(*legacy, *new_side); !next) {
      items.push_back({PreflightItem::Verdict::warning,
                       Side::new_side,
                       "mirroring works, but a later handover does not: " + next.error().detail,
                       {},
                       {}});
      continue;
    }
    if (rounds_left(*legacy, *new_side) < kRoundsFew)
      items.push_back({PreflightItem::Verdict::warning,
                       Side::new_side,
                       head_room_sentence(*legacy, *new_side),
                       std::string(kHeadRoomRemedy),
                       {}});
  }
  return items;
}

}  // namespace oxbow
