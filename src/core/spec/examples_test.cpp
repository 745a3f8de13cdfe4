// Every spec that people read must be a spec: the examples, and each block of YAML in docs/spec.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "core/mapping/inverse.hpp"
#include "core/spec/grammar.hpp"
#include "support/catalog_builder.hpp"
#include "support/schema_validator.hpp"
#include "support/spec_text.hpp"

namespace oxbow {
namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string spec_page() {
  return content_of(OXBOW_SOURCE_DIR "/docs/spec.md");
}

void expect_valid(const std::string& text) {
  auto parsed =
      parse_spec_text(text, {{"OXBOW_LEGACY_PASSWORD", "secret"}, {"OXBOW_NEW_PASSWORD", "secret"}});
  EXPECT_THAT(lines_of(parsed.mistakes), testing::IsEmpty()) << text;
  EXPECT_TRUE(SchemaValidator().accepts(*read_yaml(text, "oxbow.yaml"))) << text;
}

// The blocks between ```yaml and ```.
std::vector<std::string> yaml_blocks(const std::string& page) {
  std::vector<std::string> blocks;
  constexpr std::string_view begin = "```yaml\n";
  for (auto at = page.find(begin); at != std::string::npos; at = page.find(begin, at + 1)) {
    auto from = at + begin.size();
    blocks.push_back(page.substr(from, page.find("```", from) - from));
  }
  return blocks;
}

// A block shows some top-level keys; the others that a spec needs are added.
std::string completed(std::string block) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> needed = {{
      {"migration", "migration: m\n"},
      {"owners", "owners: {legacy: a, new: b, coexistence: c}\n"},
      {"systems",
       "systems: {legacy: {database: \"postgresql:///a\"}, new: {database: \"postgresql:///b\"}}\n"},
      {"entities", "entities: {e: {key: id, tables: [{legacy: t, new: n.t}]}}\n"},
  }};
  auto root = read_yaml(block, "docs/spec.md");
  EXPECT_TRUE(root) << root.error().detail << "\n" << block;
  for (const auto& [key, line] : needed)
    if (root && !root->find(key)) block += line;
  return block;
}

TEST(Examples, AreSpecs) {
  int found = 0;
  for (const auto& folder : std::filesystem::directory_iterator(OXBOW_SOURCE_DIR "/examples")) {
    if (!folder.is_directory()) continue;
    expect_valid(content_of(folder.path() / "oxbow.yaml"));
    ++found;
  }
  EXPECT_GT(found, 0);
}

Catalog pgbench_catalog() {
  using namespace build;
  auto filler = [](int length) {
    return column("filler", builtin(1042, "bpchar", fmt::format("character({})", length), length + 4));
  };
  auto timestamp = builtin(1114, "timestamp", "timestamp without time zone");
  return catalog(
      "pgbench",
      {with_primary_key(table("public", "pgbench_branches",
                              {not_null("bid", int4()), column("bbalance", int4()), filler(88)}),
                        {"bid"}),
       with_primary_key(
           table("public", "pgbench_tellers",
                 {not_null("tid", int4()), column("bid", int4()), column("tbalance", int4()), filler(84)}),
           {"tid"}),
       with_primary_key(
           table("public", "pgbench_accounts",
                 {not_null("aid", int4()), column("bid", int4()), column("abalance", int4()), filler(84)}),
           {"aid"}),
       table("public", "pgbench_history",
             {column("tid", int4()), column("bid", int4()), column("aid", int4()), column("delta", int4()),
              column("mtime", timestamp), filler(22)})});
}

// What examples/pgbench/new_schema.sql creates.
Catalog bank_catalog() {
  using namespace build;
  auto timestamp = builtin(1114, "timestamp", "timestamp without time zone");
  auto opened_at = column("opened_at", builtin(1184, "timestamptz", "timestamp with time zone"));
  opened_at.default_sql = "now()";
  return catalog(
      "bank",
      {with_primary_key(table("bank", "branch",
                              {not_null("id", int8()), not_null("balance_minor", int8()),
                               not_null("currency", enumeration("bank", "currency", {"EUR", "USD"}))}),
                        {"id"}),
       with_primary_key(
           table("bank", "teller",
                 {not_null("id", int8()), column("branch_id", int8()), not_null("balance_minor", int8())}),
           {"id"}),
       with_primary_key(table("bank", "account",
                              {not_null("id", int8()), column("branch_id", int8()),
                               not_null("balance_minor", int8()), opened_at}),
                        {"id"}),
       table("bank", "posting",
             {column("branch_id", int8()), column("teller_id", int8()), column("account_id", int8()),
              column("amount_minor", int8()), column("booked_at", timestamp), column("note", text())})});
}

TEST(Examples, PgbenchBecomesABankAndCouldGoBack) {
  auto spec = *parse_spec_text(content_of(OXBOW_SOURCE_DIR "/examples/pgbench/oxbow.yaml")).spec;
  auto legacy = pgbench_catalog(), fresh = bank_catalog();
  int compiled_tables = 0;
  for (const auto& entity : spec.entities) {
    for (const auto& table : entity.tables) {
      auto compiled = compile_mapping(entity, table, *legacy.find(table.legacy), *fresh.find(table.new_side));
      for (const auto& problem : compiled.problems) ADD_FAILURE() << problem.sentence;
      auto inverse = compile_inverse(entity, table, *legacy.find(table.legacy), *fresh.find(table.new_side),
                                     *compiled.mapping);
      for (const auto& problem : inverse.problems) ADD_FAILURE() << problem.sentence;
      ++compiled_tables;
    }
  }
  EXPECT_EQ(compiled_tables, 4);
}

TEST(SpecPage, ShowsOnlySpecsThatAreValid) {
  auto blocks = yaml_blocks(spec_page());
  EXPECT_GT(blocks.size(), 8u);
  for (const auto& block : blocks) expect_valid(completed(block));
}

void collect_keys(const Shape& shape, std::set<const Shape*>& seen, std::set<std::string>& keys) {
  if (!seen.insert(&shape).second) return;
  for (const auto& key : shape.keys) {
    keys.emplace(key.name);
    collect_keys(*key.value, seen, keys);
  }
  if (shape.element) collect_keys(*shape.element, seen, keys);
  for (const auto* form : shape.forms) collect_keys(*form, seen, keys);
}

TEST(SpecPage, ExplainsEveryKey) {
  auto page = spec_page();
  std::set<const Shape*> seen;
  std::set<std::string> keys;
  collect_keys(spec_shape(), seen, keys);
  for (const auto& key : keys) {
    bool in_text = page.contains("`" + key + "`");
    bool in_rule = page.contains(" " + key + ": ");
    EXPECT_TRUE(in_text || in_rule) << "docs/spec.md says nothing about " << key;
  }
}

TEST(SpecPage, ShowsMistakesAsTheyArePrinted) {
  auto page = spec_page();
  constexpr std::string_view begin = "<!-- mistakes of the following spec -->\n\n```\n";
  auto from = page.find(begin);
  ASSERT_NE(from, std::string::npos);
  from += begin.size();
  auto source = page.substr(from, page.find("```", from) - from);
  for (const auto& line : lines_of(parse_spec_text(source).mistakes))
    EXPECT_NE(page.find(line), std::string::npos) << "docs/spec.md does not show\n" << line;
}

}  // namespace
}  // namespace oxbow
