// Asks both databases whether a migration can run on them, for `check --connect` and `doctor`.
#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli.hpp"
#include "core/spec/preflight.hpp"
#include "model/catalog.hpp"
#include "model/spec.hpp"
#include "ports/event_store.hpp"
#include "services/pipeline/plan.hpp"

namespace oxbow {

// How far the numbers of one column that is numbered on both sides reach.
struct HeadRoom {
  std::string entity;
  std::uint64_t rounds = 0;  // handovers there and back
  std::string sentence;
};

struct Preflight {
  Catalog legacy;
  Catalog new_side;
  std::vector<PreflightItem> items;  // legacy first, then what concerns both
  std::optional<Plan> plan;          // none if there are mistakes
  std::vector<Mistake> mistakes;     // of the spec, seen from both databases
  std::vector<HeadRoom> head_rooms;
  bool has_begun = false;  // a cohort has left `legacy`

  std::size_t count(PreflightItem::Verdict verdict) const;
  std::size_t refusals() const { return count(PreflightItem::Verdict::refusal); }
};

// `preflight_failed` if something was refused, else `spec_invalid` if there are mistakes, which both list.
Status verdict_on(const Preflight& preflight, const Spec& spec);

// Tries all legacy rows on what the new side demands of each row, and then on what it demands of rows
// together. Shows progress on a terminal. REQUIRES: a plan
Result<std::vector<PreflightItem>> try_all_rows(const Spec& spec, const Preflight& preflight,
                                                bool show_progress);

// Whether a cohort of this migration ever left `legacy`.
Result<bool> has_begun(EventStore& store);

// The same error, with the side whose database it speaks of.
Error on_side(Side side, const Error& error);

// Tables that this migration has filled already need not be empty: its journal tells.
Result<Preflight> ask_databases(const Settings& settings, const Spec& spec);

std::string item_lines(const PreflightItem& item, const std::string& spec_path);
boost::json::array head_room_values(const std::vector<HeadRoom>& head_rooms);
std::string to_json(const Preflight& preflight);

}  // namespace oxbow
