#include <fmt/core.h>

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <optional>

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
  fmt::print("{} {}  {}{}{}  {}{}{}\n", finding.at("id").to_number<std::uint64_t>(),
             tinted(Tint::warning, text(finding.at("kind"))), text(finding.at("table")),
             key.empty() ? "" : " ", key, text(finding.at("last_seen")).substr(0, 19) + "Z",
             count > 1 ? fmt::format(", seen {} times", human_count(count)) : "",
             finding.at("open").as_bool() ? "" : ", closed");
  print_indented(text(finding.at("sentence")));
  print_indented(text(finding.at("detail")));
  if (auto owner = text(finding.at("owner")); !owner.empty()) print_indented("owner: " + owner);
  if (auto ending = text(finding.at("ending")); !ending.empty()) print_indented("closed: " + ending);
}

// A page of findings, and how to see the next one.
struct Listing {
  const Settings& settings;
  std::string command = "oxbow findings";
  std::string nothing = "no open findings";
  bool all = false;
  std::optional<std::string> kind = {};
  std::uint64_t skip = 0;
  std::uint64_t limit = 100;

  Result<int> print() const {
    std::map<std::string, std::string> query = {
        {"all", all ? "1" : "0"}, {"skip", std::to_string(skip)}, {"limit", std::to_string(limit)}};
    if (kind) query["kind"] = *kind;
    auto answer = TRY(DaemonClient(settings).get("findings", std::move(query)));
    if (settings.json) {
      fmt::print("{}\n", answer);
      return 0;
    }
    auto parsed = json::parse(answer);
    const auto& findings = parsed.at("findings").as_array();
    auto total = parsed.at("total").to_number<std::uint64_t>();
    if (total == 0) fmt::print("{}\n", nothing);
    for (const auto& finding : findings) print_finding(finding);
    if (findings.size() < total) print_rest(findings.size(), total);
    return 0;
  }

  void print_rest(std::uint64_t shown, std::uint64_t total) const {
    auto next = skip + shown;
    if (shown == 0) {
      fmt::print("{} in all, none of them here\n", human_count(total));
    } else if (next >= total) {
      fmt::print("{} to {} of {}\n", human_count(skip + 1), human_count(next), human_count(total));
    } else {
      fmt::print("{} to {} of {}; the next: {}{} --skip {} --limit {}\n", human_count(skip + 1),
                 human_count(next), human_count(total), command, all ? " --all" : "", next, limit);
    }
  }

  void add_options(CLI::App& app) {
    app.add_option("--skip", skip, "leave out so many of the newest")->type_name("N")->check(check_count);
    app.add_option("--limit", limit, "how many, newest first (default: 100, at most 10000)")
        ->type_name("N")
        ->check(check_count);
  }
};

// Something to be done about findings, and what is said once it is done.
struct FindingsOrder {
  std::string operation;
  std::optional<std::string> why = {};
  bool dry_run = false;

  void add_options(CLI::App& app) {
    app.add_option("--why", why, "a reason, for the journal");
    app.add_flag("--dry-run", dry_run, "print the actions and do nothing");
  }

  // The number in the answer's `field`; none: it was only rehearsed, or printed as JSON.
  Result<std::optional<std::uint64_t>> send(const Settings& settings, json::object fields,
                                            std::string_view field) const {
    if (why) fields["why"] = *why;
    if (dry_run) fields["dry_run"] = true;
    auto answer = TRY(DaemonClient(settings).post(operation, std::move(fields)));
    if (settings.json) {
      fmt::print("{}\n", answer);
      return std::nullopt;
    }
    auto parsed = json::parse(answer);
    if (!dry_run) return parsed.at(field).to_number<std::uint64_t>();
    int number = 0;
    for (const auto& action : parsed.at("actions").as_array()) fmt::print("{}. {}\n", ++number, text(action));
    return std::nullopt;
  }
};

struct FindingsCommand {
  Listing listing;
  FindingsOrder order{"close-findings"};
  std::optional<std::string> close = {};

  Result<int> operator()() const {
    if (!close) return listing.print();
    auto closed = TRY(order.send(listing.settings, {{"which", *close}}, "closed"));
    if (closed) fmt::print("{} finding{} closed\n", human_count(*closed), *closed == 1 ? "" : "s");
    return 0;
  }
};

struct QuarantineCommand {
  Listing listing;
  FindingsOrder order{"retry"};
  bool retry = false;
  std::optional<std::string> key = {};

  Result<int> operator()() const {
    if (!retry && !key && !listing.all) return listing.print();
    if (!retry) return Err(ErrorCode::usage, "KEY and --all say what --retry reads again: add --retry");
    if (key.has_value() == listing.all)
      return Err(ErrorCode::usage,
                 "say which row is to be read again: `oxbow quarantine --retry KEY`, or --all");
    json::object fields;
    if (key) fields["key"] = *key;
    auto retried = TRY(order.send(listing.settings, std::move(fields), "retried"));
    if (retried)
      fmt::print("{} row{} read again; `oxbow quarantine` lists what still waits\n", human_count(*retried),
                 *retried == 1 ? " is" : "s are");
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
  auto findings = std::make_shared<FindingsCommand>(FindingsCommand{.listing = {cli.settings}});
  auto* list = cli.add("findings", "what somebody has to look at", [findings] {
    auto command = *findings;
    if (command.listing.all) command.listing.nothing = "no findings";
    return command();
  });
  list->add_flag("--all", findings->listing.all, "closed ones, too");
  findings->listing.add_options(*list);
  list->add_option("--close", findings->close,
                   "close one by its number, or all open ones of a kind; needs --why")
      ->type_name("WHICH");
  findings->order.add_options(*list);

  auto quarantine = std::make_shared<QuarantineCommand>(
      QuarantineCommand{.listing = {.settings = cli.settings,
                                    .command = "oxbow quarantine",
                                    .nothing = "nothing waits in quarantine",
                                    .kind = "quarantined-row"}});
  auto* waiting = cli.add("quarantine", "rows that the new side refuses, and a new try",
                          [quarantine] { return (*quarantine)(); });
  waiting->add_option("KEY", quarantine->key,
                      "with --retry: the key of one row, as `oxbow quarantine` shows it");
  waiting->add_flag("--retry", quarantine->retry, "read rows again, once their cause is mended");
  waiting->add_flag("--all", quarantine->listing.all, "with --retry: every row");
  quarantine->listing.add_options(*waiting);
  quarantine->order.add_options(*waiting);

  auto why = std::make_shared<WhyCommand>(WhyCommand{cli.settings});
  auto* explain = cli.add("why", "all that is known about one key", [why] { return (*why)(); });
  explain
      ->add_option("KEY", why->key,
                   "the key of an entity or a row, as the legacy database prints it, or columns of it: "
                   "order_id=4711, line_no=1")
      ->required();

  cli.add("audit", "check the journal's hash chain from the first record to the last",
          [&cli] { return audit(cli.settings); });
}

}  // namespace oxbow
