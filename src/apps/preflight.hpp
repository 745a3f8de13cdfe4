// Asks both databases whether a migration can run on them, for `check --connect` and `doctor`.
#pragma once

#include <string>
#include <vector>

#include "apps/cli.hpp"
#include "core/spec/preflight.hpp"
#include "model/catalog.hpp"
#include "model/spec.hpp"
#include "ports/event_store.hpp"
#include "services/pipeline/plan.hpp"

namespace oxbow {

struct Preflight {
  Catalog legacy;
  Catalog new_side;
  std::vector<PreflightItem> items;  // legacy first

  std::size_t refusals() const;
};

// Tries all legacy rows on the new side's rules: an item for each table that refuses some. Shows progress on
// a terminal.
Result<std::vector<PreflightItem>> try_all_rows(const Spec& spec, const Plan& plan, bool show_progress);

// Whether a cohort of this migration ever left `legacy`.
Result<bool> has_begun(EventStore& store);

// The same error, with the side whose database it speaks of.
Error on_side(Side side, const Error& error);

// Tables that this migration has filled already need not be empty: its journal tells.
Result<Preflight> ask_databases(const Settings& settings, const Spec& spec);

std::string item_lines(const PreflightItem& item, const std::string& spec_path);
std::string items_json(const std::vector<PreflightItem>& items);

}  // namespace oxbow
