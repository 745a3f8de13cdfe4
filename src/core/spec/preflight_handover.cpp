#include "core/spec/preflight_handover.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace oxbow {
namespace {

class HandoverJudge {
 public:
  HandoverJudge(const Spec& spec, Side side, const ServerFacts& facts, const Catalog& catalog)
      : spec_(spec), side_(side), facts_(facts), catalog_(catalog), role_(quote_identifier(facts.user)) {}

  std::vector<PreflightItem> judge() {
    if (side_ == Side::new_side) {
      judge_log();
    } else {
      judge_writing();
    }
    for (const auto& entity : spec_.entities)
      for (const auto& table : entity.tables) judge_table(table);
    return std::move(items_);
  }

 private:
  void warn(std::string_view sentence, std::string remedy, Mark mark = {}) {
    items_.push_back({PreflightItem::Verdict::warning, side_,
                      fmt::format("mirroring works, but a later handover does not: {}", sentence),
                      std::move(remedy), mark});
  }

  // The stream back reads it.
  void judge_log() {
    if (facts_.wal_level != "logical")
      warn(fmt::format("wal_level is {}, so the log does not hold what would have to come back to legacy",
                       facts_.wal_level),
           "ALTER SYSTEM SET wal_level = 'logical'; and restart the server");
    if (facts_.replication_slots_free < 1)
      warn("no replication slot is free for the stream back",
           "ALTER SYSTEM SET max_replication_slots = ...; and restart the server");
    if (facts_.wal_senders_free < 1)
      warn("no WAL sender is free for the stream back",
           "ALTER SYSTEM SET max_wal_senders = ...; and restart the server");
    if (!facts_.may_replicate)
      warn(fmt::format("role {} may not read the log, as the stream back has to", facts_.user),
           fmt::format("ALTER ROLE {} REPLICATION;", role_));
  }

  // The stream back writes as a replica, so that neither triggers nor guards meet it.
  void judge_writing() {
    if (facts_.origins_free < 1)
      warn("no replication origin is free for the stream back",
           "ALTER SYSTEM SET max_replication_slots = ...; and restart the server");
    if (!facts_.may_use_origins)
      warn(fmt::format(
               "role {} may not mark its writes with a replication origin, so what comes back would go "
               "there again",
               facts_.user),
           grants_on_origins(facts_.user));
    if (!facts_.may_set_replication_role)
      warn(fmt::format("role {} may not set session_replication_role, so triggers would fire twice and the "
                       "guards would refuse the stream back",
                       facts_.user),
           grant_of_replication_role(facts_.user, catalog_.server_version));
  }

  void judge_table(const TableSpec& spec) {
    const auto& name = side_ == Side::legacy ? spec.legacy : spec.new_side;
    const auto* table = catalog_.find(name);
    if (!table || table->is_partition) return;  // mistakes of the spec, which the plan names
    bool may_write = std::ranges::find(facts_.not_writable, name) == facts_.not_writable.end();
    if (side_ == Side::legacy && !may_write)
      warn(fmt::format("role {} may not write {}, as the stream back has to", facts_.user, to_string(name)),
           fmt::format("GRANT USAGE ON SCHEMA {} TO {}; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {} "
                       "TO {};",
                       quote_identifier(name.schema), role_, quoted(name), role_),
           spec.mark);
    auto behind = facts_.triggers_behind_guards.find(name);
    if (behind == facts_.triggers_behind_guards.end()) return;
    for (const auto& trigger : behind->second)
      warn(fmt::format("trigger {} of {} would fire behind the guard, by its name, and could change what the "
                       "guard has seen",
                       trigger, to_string(name)),
           fmt::format("give it a name that begins with a letter: ALTER TRIGGER {} ON {} RENAME TO ...;",
                       quote_identifier(trigger), quoted(name)),
           spec.mark);
  }

  const Spec& spec_;
  Side side_;
  const ServerFacts& facts_;
  const Catalog& catalog_;
  std::string role_;
  std::vector<PreflightItem> items_;
};

}  // namespace

std::vector<PreflightItem> judge_handover(const Spec& spec, Side side, const ServerFacts& facts,
                                          const Catalog& catalog) {
  return HandoverJudge(spec, side, facts, catalog).judge();
}

std::vector<PreflightItem> judge_guarded_key(const EntitySpec& entity, const TableMapping& mapping,
                                             Mark mark) {
  if (!mapping.new_entity_key.empty()) return {};
  return {
      {PreflightItem::Verdict::warning, Side::new_side,
       fmt::format("mirroring works, but a later handover of {0} does not: {1} does not hold {2}, the key of "
                   "{0}, as legacy prints it, so no guard can tell whose rows are written there",
                   entity.name, to_string(mapping.target.name), entity.key),
       fmt::format("give the new table a column for {} and carry it there", entity.key), mark}};
}

}  // namespace oxbow
