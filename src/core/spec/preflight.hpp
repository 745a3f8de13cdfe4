// Whether a database is ready for a migration: a judgement over facts that somebody else has read, with the
// exact SQL or setting that mends what is wrong. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/catalog.hpp"
#include "model/server_facts.hpp"
#include "model/side.hpp"
#include "model/spec.hpp"

namespace oxbow {

struct PreflightItem {
  enum class Verdict { ok, warning, unknown, refusal };

  Verdict verdict = Verdict::ok;
  Side side = Side::legacy;
  std::string sentence;  // what was found, and for anything but ok why it matters
  std::string remedy;  // SQL to run on that database, or what else to do; empty where there is nothing to do
  Mark mark;           // where the spec speaks of it; line 0 if it does not
};

std::string_view name(PreflightItem::Verdict verdict);  // "ok", "warning", "unknown", "refusal"

// `facts` are about the spec's tables on this side. Once a migration has copied rows its tables are no longer
// empty: leave `facts.is_empty` out then.
std::vector<PreflightItem> judge(const Spec& spec, Side side, const ServerFacts& facts,
                                 const Catalog& catalog);

// The SQL that lets a role write as a replica: mark what it writes, and keep triggers from firing.
std::string grants_on_origins(std::string_view user);
std::string grant_of_replication_role(std::string_view user, int server_version);

// The tables of a spec on one side, each once, in the order of the spec.
std::vector<TableName> tables_of(const Spec& spec, Side side);

}  // namespace oxbow
