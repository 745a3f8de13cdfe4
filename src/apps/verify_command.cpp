#include <fmt/core.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <optional>

#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/daemon_client.hpp"
#include "apps/status_page.hpp"
#include "apps/terminal.hpp"
#include "base/text.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

constexpr Duration kAskAgainAfter = std::chrono::milliseconds(100);

std::string text(const json::value& value) {
  return value.is_null() ? "" : std::string(value.as_string());
}
std::uint64_t number(const json::value& value) {
  return value.to_number<std::uint64_t>();
}

void print_divergences(const json::value& report) {
  const auto& shown = report.at("divergences").as_array();
  for (const auto& divergence : shown) {
    fmt::print("{} {}: {}\n", text(divergence.at("table")), text(divergence.at("key")),
               text(divergence.at("sentence")));
    auto detail = text(divergence.at("detail"));
    for (std::size_t begin = 0; begin < detail.size();) {
      auto end = std::min(detail.find('\n', begin), detail.size());
      fmt::print("    {}\n", std::string_view(detail).substr(begin, end - begin));
      begin = end + 1;
    }
  }
  auto count = number(report.at("divergence_count"));
  if (count > shown.size())
    fmt::print("... and {} more; `oxbow findings` has the first 1,000 of each table\n",
               human_count(count - shown.size()));
}

void print_verdict(const json::value& report) {
  auto state = text(report.at("state"));
  auto entity = text(report.at("entity"));
  print_divergences(report);
  auto facts = fmt::format("{} rows of {} compared, coverage {:.4g} %, proof taken at position {}",
                           human_count(number(report.at("rows_compared"))),
                           entity.empty() ? "what is mirrored" : entity,
                           report.at("coverage_percent").to_number<double>(), text(report.at("position")));
  auto allowed = number(report.at("allowed_differences"));
  if (allowed) facts += fmt::format(", {} differences that the spec allows", human_count(allowed));
  std::vector<std::string> left_out;
  for (const auto& name : report.at("left_out").as_array()) left_out.push_back(text(name));
  if (!left_out.empty()) facts += fmt::format("; not mirrored, so not proven: {}", fmt::join(left_out, ", "));
  auto reason = text(report.at("reason"));
  if (state == "equal") {
    fmt::print("{}: {}\n", tinted(Tint::good, "equal"), facts);
  } else if (state == "differs") {
    auto count = number(report.at("divergence_count"));
    fmt::print("{}: {} divergence{}; {}\n", tinted(Tint::bad, "differs"), human_count(count),
               count == 1 ? "" : "s", facts);
  } else {
    fmt::print("{}: {}; {}\n", tinted(Tint::warning, state), reason, facts);
  }
}

struct VerifyCommand {
  const Settings& settings;
  std::optional<std::string> entity = {};
  std::optional<std::uint64_t> rate = {};

  Result<json::value> wait_for_end(const DaemonClient& daemon, const std::string& id) const {
    ProgressLine progress(!settings.json);
    while (true) {
      auto report = json::parse(TRY(daemon.get("verify/" + id)));
      if (text(report.at("state")) != "running") return report;
      progress.show(verify_progress(report));
      TRY(run_blocking(sleep_for(kAskAgainAfter)));
    }
  }

  Result<int> operator()() const {
    DaemonClient daemon(settings);
    json::object fields;
    if (entity) fields["entity"] = *entity;
    if (rate) fields["rows_per_second_max"] = *rate;
    auto begun = json::parse(TRY(daemon.post("verify", fields)));
    auto report = TRY(wait_for_end(daemon, std::to_string(number(begun.at("verify_id")))));
    if (settings.json) {
      fmt::print("{}\n", json::serialize(report));
    } else {
      print_verdict(report);
    }
    auto state = text(report.at("state"));
    if (state == "equal") return 0;
    return exit_code(state == "differs" ? ErrorCode::differs : ErrorCode::incomplete);
  }
};

}  // namespace

void add_verify_command(Cli& cli) {
  auto command = std::make_shared<VerifyCommand>(VerifyCommand{cli.settings});
  auto* app =
      cli.add("verify", "compare all rows of both sides at one logical point; exit code 0 means equal",
              [command] { return (*command)(); });
  app->add_option("--entity", command->entity, "one entity (default: all that are mirrored)");
  app->add_option("--rate", command->rate, "rows per second at most (default: no limit)")
      ->type_name("N")
      ->check(check_count);
}

}  // namespace oxbow
