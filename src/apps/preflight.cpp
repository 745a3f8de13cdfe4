#include "apps/preflight.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "adapters/postgres/postgres.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "apps/blocking.hpp"
#include "apps/terminal.hpp"
#include "base/text.hpp"
#include "core/sequence/head_room.hpp"
#include "core/sequence/number_pairs.hpp"
#include "core/spec/preflight_disk.hpp"
#include "core/spec/preflight_handover.hpp"
#include "services/control/journal.hpp"
#include "services/preflight/constraint_check.hpp"
#include "services/preflight/row_check.hpp"

namespace oxbow {
namespace {

using Verdict = PreflightItem::Verdict;

constexpr Duration kCountMax = std::chrono::minutes(5);  // of one constraint, on the legacy server

Result<bool> has_begun(const Settings& settings) {
  if (!SqliteStore::exists(settings.store_path())) return false;
  auto store = TRY(SqliteStore::open_to_read(settings.store_path()));
  return has_begun(*store);
}

struct SideAnswer {
  Catalog catalog;
  ServerFacts facts;
};

Task<SideAnswer> ask_side(std::unique_ptr<Admin> admin, Side side, std::vector<TableName> tables) {
  auto catalog = co_await admin->read_catalog();
  if (!catalog) co_return std::unexpected(on_side(side, catalog.error()));
  // Facts are asked only of tables that exist; those that do not are reported from the catalog.
  std::erase_if(tables, [&](const TableName& table) { return !catalog->find(table); });
  auto facts = co_await admin->read_facts(std::move(tables));
  if (!facts) co_return std::unexpected(on_side(side, facts.error()));
  co_return SideAnswer{*std::move(catalog), *std::move(facts)};
}

PreflightItem to_item(const RowCheck& check) {
  std::string_view more = check.refused >= kRefusalsCountedMax ? "at least " : "";
  PreflightItem item{Verdict::refusal, Side::new_side, {}, {}, {}};
  item.sentence = fmt::format("{} refuses {}{} of {}{} rows of {}", to_string(check.new_side), more,
                              human_count(check.refused), more.empty() ? "" : "the first ",
                              human_count(check.tried), to_string(check.legacy));
  for (const auto& [key, reason] : check.samples)
    item.sentence += fmt::format("\n{:15}{}: {}", "", key, reason);
  item.remedy =
      "mend these rows, or map their values, or relax the new table; `oxbow advance` does not wait for that "
      "and puts them into quarantine";
  return item;
}

Task<std::vector<RowCheck>> check_tables(const Spec& spec, const Plan& plan, bool show_progress) {
  auto source = postgres::make_source_admin(spec.legacy.database, spec.migration);
  auto reader = postgres::make_snapshot_reader(spec.legacy.database, spec.migration);
  auto trial = postgres::make_row_trial(spec.new_side.database, spec.migration);
  ProgressLine line(show_progress);
  std::vector<RowCheck> checks;
  for (const auto& table : plan.tables) {
    auto show = [&](std::uint64_t rows) {
      line.show(fmt::format("trying rows of {}: {}", to_string(table.mapping.source), human_count(rows)));
    };
    checks.push_back(CO_TRY(co_await check_rows(table.mapping, *source, *reader, *trial, show)));
  }
  co_return checks;
}

Task<std::vector<PreflightItem>> check_rows_together(const Spec& spec, const Preflight& preflight,
                                                     bool show_progress) {
  auto counter = postgres::make_violation_counter(spec.legacy.database, spec.migration, kCountMax);
  ProgressLine line(show_progress);
  auto show = [&](const ConstraintQuestion& question) {
    line.show(fmt::format("counting rows that break {}", question.constraint));
  };
  std::vector<MappedTable> tables;
  for (const auto& table : preflight.plan->tables)
    tables.push_back({&table.mapping, preflight.legacy.find(table.mapping.source),
                      preflight.new_side.find(table.mapping.target.name)});
  co_return co_await check_constraints(questions_on_constraints(tables), *counter, show);
}

struct Numbers {
  std::vector<PreflightItem> items;
  std::vector<HeadRoom> head_rooms;
};

// Numbers of rows that are to come, of each column that keeps its numbers on the other side.
Task<Numbers> check_numbers(const Spec& spec, const Plan& plan) {
  auto legacy = postgres::make_sequences(spec.legacy.database, spec.migration);
  auto new_side = postgres::make_sequences(spec.new_side.database, spec.migration);
  auto of_legacy = co_await legacy->read(plan.source_tables());
  auto of_new = co_await new_side->read(plan.target_tables());
  Numbers numbers;
  for (auto [side, read] : {std::pair(Side::legacy, &of_legacy), std::pair(Side::new_side, &of_new)}) {
    if (*read) continue;
    if (read->error().code != ErrorCode::access_denied)
      co_return std::unexpected(on_side(side, read->error()));
    numbers.items.push_back({Verdict::unknown,
                             side,
                             "where the numbers of its rows stand is not known: " + read->error().detail,
                             {},
                             {}});
  }
  if (!numbers.items.empty()) co_return numbers;
  for (const auto& table : plan.tables) {
    auto pairs = pair_numbers(table.mapping, *of_legacy, *of_new);
    std::ranges::move(judge_numbers(pairs), std::back_inserter(numbers.items));
    for (const auto& pair : pairs)
      if (pair.legacy && pair.new_side)
        numbers.head_rooms.push_back({table.entity, rounds_left(*pair.legacy, *pair.new_side),
                                      head_room_sentence(*pair.legacy, *pair.new_side)});
  }
  co_return numbers;
}

Tint tint_of(Verdict verdict) {
  if (verdict == Verdict::ok) return Tint::good;
  return verdict == Verdict::refusal ? Tint::bad : Tint::warning;
}

}  // namespace

Error on_side(Side side, const Error& error) {
  return {error.code, fmt::format("{} side: {}", name(side), error.detail)};
}

Result<bool> has_begun(EventStore& store) {
  auto journal = TRY(Journal::open(store));
  return std::ranges::any_of(journal.lifecycle().cohorts, [](const auto& entry) {
    return entry.second.state != State::legacy || entry.second.moving_to;
  });
}

std::size_t Preflight::count(Verdict verdict) const {
  return static_cast<std::size_t>(std::ranges::count(items, verdict, &PreflightItem::verdict));
}

Status verdict_on(const Preflight& preflight, const Spec& spec) {
  Status verdict;
  if (!preflight.mistakes.empty()) verdict = std::unexpected(to_error(preflight.mistakes, spec.file));
  if (auto refusals = preflight.refusals())
    verdict =
        Err(ErrorCode::preflight_failed, "{} refusal{}, see above{}{}", refusals, refusals == 1 ? "" : "s",
            verdict ? "" : "; and the spec has mistakes:", verdict ? "" : verdict.error().detail);
  return verdict;
}

Result<Preflight> ask_databases(const Settings& settings, const Spec& spec) {
  auto begun = TRY(has_begun(settings));
  auto source = postgres::make_source_admin(spec.legacy.database, spec.migration);
  auto legacy = TRY(run_blocking(ask_side(std::move(source), Side::legacy, tables_of(spec, Side::legacy))));
  auto target = postgres::make_target_admin(spec.new_side.database, spec.migration);
  auto new_side =
      TRY(run_blocking(ask_side(std::move(target), Side::new_side, tables_of(spec, Side::new_side))));
  if (begun) new_side.facts.is_empty.clear();

  Preflight preflight;
  preflight.has_begun = begun;
  preflight.items = judge(spec, Side::legacy, legacy.facts, legacy.catalog);
  for (auto& item : judge(spec, Side::new_side, new_side.facts, new_side.catalog))
    preflight.items.push_back(std::move(item));
  for (auto& item : judge_handover(spec, Side::legacy, legacy.facts, legacy.catalog))
    preflight.items.push_back(std::move(item));
  for (auto& item : judge_handover(spec, Side::new_side, new_side.facts, new_side.catalog))
    preflight.items.push_back(std::move(item));
  for (auto& item : judge_disks(spec, legacy.facts, new_side.facts))
    preflight.items.push_back(std::move(item));
  auto attempt = try_to_plan(spec, legacy.catalog, new_side.catalog);
  preflight.legacy = std::move(legacy.catalog);
  preflight.new_side = std::move(new_side.catalog);
  preflight.plan = std::move(attempt.plan);
  if (preflight.plan) {
    for (auto& item : judge_plan(spec, *preflight.plan)) preflight.items.push_back(std::move(item));
    for (const auto& table : preflight.plan->tables) {
      const auto& entity = *spec.find_entity(table.entity);
      for (auto& item : judge_guarded_key(entity, table.mapping, entity.mark))
        preflight.items.push_back(std::move(item));
    }
  }
  if (preflight.plan) {
    auto numbers = TRY(run_blocking(check_numbers(spec, *preflight.plan)));
    std::ranges::move(numbers.items, std::back_inserter(preflight.items));
    preflight.head_rooms = std::move(numbers.head_rooms);
  }
  preflight.mistakes = std::move(attempt.mistakes);
  return preflight;
}

Result<std::vector<PreflightItem>> try_all_rows(const Spec& spec, const Preflight& preflight,
                                                bool show_progress) {
  std::vector<PreflightItem> items;
  for (const auto& check : TRY(run_blocking(check_tables(spec, *preflight.plan, show_progress))))
    if (check.refused > 0) items.push_back(to_item(check));
  for (auto& item : TRY(run_blocking(check_rows_together(spec, preflight, show_progress))))
    items.push_back(std::move(item));
  return items;
}

std::string item_lines(const PreflightItem& item, const std::string& spec_path) {
  auto place =
      item.mark.line > 0 ? fmt::format("{}:{}:{}: ", spec_path, item.mark.line, item.mark.column) : "";
  auto verdict = fmt::format("{:8}", name(item.verdict));
  auto lines = fmt::format("{}{:7}{}{}\n", tinted(tint_of(item.verdict), verdict), name(item.side), place,
                           item.sentence);
  if (!item.remedy.empty()) lines += fmt::format("{:15}{}\n", "", item.remedy);
  return lines;
}

boost::json::array head_room_values(const std::vector<HeadRoom>& head_rooms) {
  boost::json::array values;
  for (const auto& room : head_rooms)
    values.push_back({{"entity", room.entity}, {"rounds", room.rounds}, {"sentence", room.sentence}});
  return values;
}

std::string to_json(const Preflight& preflight) {
  namespace json = boost::json;
  json::array items;
  for (const auto& item : preflight.items) {
    items.push_back({{"verdict", name(item.verdict)},
                     {"side", name(item.side)},
                     {"sentence", item.sentence},
                     {"remedy", item.remedy},
                     {"line", item.mark.line},
                     {"column", item.mark.column}});
  }
  json::array mistakes;
  for (const auto& mistake : preflight.mistakes) {
    mistakes.push_back({{"line", mistake.mark.line},
                        {"column", mistake.mark.column},
                        {"sentence", mistake.sentence},
                        {"nearest", mistake.nearest}});
  }
  return json::serialize(json::value{{"items", std::move(items)},
                                     {"mistakes", std::move(mistakes)},
                                     {"head_room", head_room_values(preflight.head_rooms)}});
}

}  // namespace oxbow
