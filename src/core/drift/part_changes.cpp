#include "core/drift/part_changes.hpp"

#include <algorithm>

namespace oxbow {
namespace {

using Kind = PartChange::Kind;

constexpr std::uint64_t number_of(std::uint64_t column) {
  return column >> 32;
}

// A column that came or went says nothing of the values of the others.
bool has_changed_column(const TablePart& before, const TablePart& now) {
  return std::ranges::any_of(before.columns, [&](std::uint64_t was) {
    auto is = std::ranges::find(now.columns, number_of(was), number_of);
    return is != now.columns.end() && *is != was;
  });
}

// Ids of transactions wrap around.
bool is_newer(std::uint32_t xid, std::uint32_t than) {
  return static_cast<std::int32_t>(xid - than) > 0;
}

// The newest link of this part, or of one above it, since which alone the log tells all of its rows. A part
// may come with all that is below it.
const TablePart* untold_link(const TableParts& before, const TableParts& now, const TablePart& part) {
  const TablePart* found = nullptr;
  for (const auto* each = &part; each != nullptr && each->parent != 0; each = now.find(each->parent)) {
    const auto* was = before.find(each->oid);
    bool is_told =
        was == nullptr ? each->born_here : was->linked_by == each->linked_by && was->parent == each->parent;
    if (is_told) continue;
    if (found == nullptr || is_newer(each->linked_by, found->linked_by)) found = each;
  }
  return found;
}

}  // namespace

std::vector<PartChange> part_changes(const TableParts& before, const TableParts& now) {
  if (before.oid != now.oid) return {{Kind::made_anew, {.name = before.table}}};
  std::vector<PartChange> changes;
  for (const auto& was : before.parts) {
    if (was.holds_rows() && now.find(was.oid) == nullptr) changes.push_back({Kind::gone, was});
  }
  for (const auto& part : now.parts) {
    if (!part.holds_rows()) continue;
    const auto* was = before.find(part.oid);
    const auto* link = untold_link(before, now, part);
    if (link != nullptr && was == nullptr) {
      changes.push_back({Kind::attached, part, link->linked_by, link->linked_at});
    } else if (link != nullptr) {
      changes.push_back({Kind::linked_anew, part});
    } else if (was != nullptr && was->file != part.file) {
      bool rewritten = has_changed_column(*was, part);
      if (rewritten || part.parent != 0)
        changes.push_back({rewritten ? Kind::rewritten : Kind::replaced, part,
                           static_cast<std::uint32_t>(was->seen_before.value())});
    }
  }
  return changes;
}

bool all_replaced(const TableParts& before, const TableParts& now) {
  return std::ranges::none_of(now.parts, [&](const TablePart& part) {
    const auto* was = before.find(part.oid);
    return part.holds_rows() && was != nullptr && was->file == part.file;
  });
}

}  // namespace oxbow
