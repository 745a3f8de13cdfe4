#include <fmt/core.h>

#include <boost/json.hpp>
#include <map>
#include <memory>

#include "apps/cli.hpp"
#include "apps/daemon_client.hpp"
#include "apps/diff_page.hpp"
#include "apps/terminal.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

struct DiffOptions {
  std::string cluster;
  std::string route;
  std::size_t example = 1;
  std::uint64_t limit = 50;
  std::string anew;  // a route; empty: all
  std::string why;
  bool dry_run = false;
  CLI::Option* anew_option = nullptr;

  bool begins_anew() const { return anew_option->count() > 0; }
};

Result<int> show(const Settings& settings, const DiffOptions& options) {
  std::map<std::string, std::string> query = {{"limit", std::to_string(options.limit)}};
  if (!options.cluster.empty()) query["cluster"] = options.cluster;
  if (!options.route.empty()) query["route"] = options.route;
  auto answer = TRY(DaemonClient(settings).get("differences", std::move(query)));
  if (settings.json) {
    fmt::print("{}\n", answer);
    return 0;
  }
  auto document = json::parse(answer);
  auto paint = Paint::for_stdout();
  if (options.cluster.empty()) {
    fmt::print("{}", differences_page(document, paint));
    return 0;
  }
  const auto& cluster = document.at("clusters").at(0);
  auto examples = cluster.at("exemplars").as_array().size();
  if (options.example < 1 || options.example > std::max<std::size_t>(examples, 1))
    return Err(ErrorCode::usage, "there are {} examples of this difference; number {} is none of them",
               examples, options.example);
  fmt::print("{}", cluster_page(cluster, options.example - 1, stdout_columns(), paint));
  return 0;
}

Result<int> begin_anew(const Settings& settings, const DiffOptions& options) {
  json::object fields;
  if (!options.anew.empty()) fields["route"] = options.anew;
  if (!options.why.empty()) fields["why"] = options.why;
  if (options.dry_run) fields["dry_run"] = true;
  auto answer = TRY(DaemonClient(settings).post("anew", std::move(fields)));
  if (settings.json) {
    fmt::print("{}\n", answer);
    return 0;
  }
  auto outcome = json::parse(answer);
  for (const auto& line : outcome.at(options.dry_run ? "actions" : "events").as_array())
    fmt::print("{}\n", std::string(line.as_string()));
  return 0;
}

}  // namespace

void add_diff_command(Cli& cli) {
  auto options = std::make_shared<DiffOptions>();
  auto* command = cli.add("diff", "show how the answers of both sides differ", [&cli, options] {
    return options->begins_anew() ? begin_anew(cli.settings, *options) : show(cli.settings, *options);
  });
  command->add_option("cluster", options->cluster, "the id of one difference: shows both answers");
  command->add_option("--example", options->example, "which of its examples, from 1");
  command->add_option("--route", options->route, "only of this route, as the spec names it");
  command->add_option("--limit", options->limit, "how many differences are listed");
  options->anew_option = command
                             ->add_option("--anew", options->anew,
                                          "count from now on: of the route, as the spec names it, or of all")
                             ->expected(0, 1)
                             ->type_name("[ROUTE]");
  command->add_option("--why", options->why, "with --anew: a reason, for the journal")->needs("--anew");
  command->add_flag("--dry-run", options->dry_run, "with --anew: print the actions and do nothing")
      ->needs("--anew");
}

}  // namespace oxbow
