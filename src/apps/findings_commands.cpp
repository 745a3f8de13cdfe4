#include <fmt/core.h>

#include <boost/json.hpp>

#include "adapters/sqlite/sqlite_store.hpp"
#include "apps/cli.hpp"
#include "apps/daemon_client.hpp"
#include "apps/terminal.hpp"
#include "base/text.hpp"
#include "core/lifecycle/machine.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

std::string text(const json::value& value) {
  return value.is_null() ? "" : std::string(value.as_string());
}

void print_indented(const std::string& lines) {
  for (std::size_t begin = 0; begin < lines.size();) {
    auto end = std::min(lines.find('\n', begin), lines.size());
    fmt::print("    {}\n", std::string_view(lines).substr(begin, end - begin));
    begin = end + 1;
  }
}

void print_finding(const json::value& finding) {
  auto key = text(finding.at("key"));
  auto count = finding.at("count").to_number<std::uint64_t>();
  fmt::print("{}  {}{}{}  {}{}{}\n", tinted(Tint::warning, text(finding.at("kind"))),
             text(finding.at("table")), key.empty() ? "" : " ", key,
             text(finding.at("last_seen")).substr(0, 19) + "Z",
             count > 1 ? fmt::format(", seen {} times", human_count(count)) : "",
             finding.at("open").as_bool() ? "" : ", closed");
  print_indented(text(finding.at("sentence")));
  print_indented(text(finding.at("detail")));
  if (auto owner = text(finding.at("owner")); !owner.empty()) print_indented("owner: " + owner);
}

struct FindingsCommand {
  const Settings& settings;
  bool all = false;
  std::uint64_t limit = 100;

  Result<int> operator()() const {
    auto answer = TRY(
        DaemonClient(settings).get("findings", {{"all", all ? "1" : "0"}, {"limit", std::to_string(limit)}}));
    if (settings.json) {
      fmt::print("{}\n", answer);
      return 0;
    }
    auto parsed = json::parse(answer);
    const auto& findings = parsed.at("findings").as_array();
    if (findings.empty()) fmt::print("no {}findings\n", all ? "" : "open ");
    for (const auto& finding : findings) print_finding(finding);
    return 0;
  }
};

struct WhyCommand {
  const Settings& settings;
  std::string key = {};

  Result<int> operator()() const {
    auto answer = TRY(DaemonClient(settings).get("why", {{"key", key}}));
    if (settings.json) {
      fmt::print("{}\n", answer);
      return 0;
    }
    auto parsed = json::parse(answer);
    for (const auto& line : parsed.at("lines").as_array()) fmt::print("{}\n", text(line));
    for (const auto& finding : parsed.at("findings").as_array()) print_finding(finding);
    return 0;
  }
};

// Reads the file itself, so that it also speaks when oxbow does not run, and trusts nobody who does.
Result<int> audit(const Settings& settings) {
  auto store = TRY(SqliteStore::open_to_read(settings.store_path()));
  Replayed replayed;
  while (true) {
    auto records = TRY(store->read_after(replayed.head.number, 1000));
    if (records.empty()) break;
    TRY(replay(replayed, records));
  }
  if (settings.json) {
    json::value result = {{"records", replayed.head.number}, {"hash", replayed.head.hash}, {"sound", true}};
    fmt::print("{}\n", json::serialize(result));
  } else {
    fmt::print("{}: {} records, each follows from the one before; the last has hash {}\n",
               settings.store_path(), human_count(replayed.head.number), replayed.head.hash);
  }
  return 0;
}

}  // namespace

void add_findings_commands(Cli& cli) {
  auto findings = std::make_shared<FindingsCommand>(FindingsCommand{cli.settings});
  auto* list = cli.add("findings", "what somebody has to look at", [findings] { return (*findings)(); });
  list->add_flag("--all", findings->all, "closed ones, too");
  list->add_option("--limit", findings->limit, "how many, newest first (default: 100)")
      ->type_name("N")
      ->check(check_count);

  auto why = std::make_shared<WhyCommand>(WhyCommand{cli.settings});
  auto* explain = cli.add("why", "all that is known about one key", [why] { return (*why)(); });
  explain->add_option("KEY", why->key, "the key, as the legacy database prints it")->required();

  cli.add("audit", "check the journal's hash chain from the first record to the last",
          [&cli] { return audit(cli.settings); });
}

}  // namespace oxbow
