#include <fmt/core.h>

#include <boost/json.hpp>
#include <memory>
#include <optional>

#include "apps/cli.hpp"
#include "apps/daemon_client.hpp"
#include "apps/gate_page.hpp"
#include "apps/terminal.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

struct GateQuestion {
  std::string entity, to;
  std::optional<std::string> cohort, approver, why;
  bool override = false, withdraw = false;
};

// 0 only if the gate is open by itself for all cohorts that were asked for.
Result<int> show(const Settings& settings, const GateQuestion& question) {
  std::map<std::string, std::string> query = {{"entity", question.entity}, {"to", question.to}};
  if (question.cohort) query["cohort"] = *question.cohort;
  auto answer = TRY(DaemonClient(settings).get("gate", std::move(query)));
  auto gates = json::parse(answer);
  fmt::print("{}{}", settings.json ? answer : gate_page(gates, Paint::for_stdout()),
             settings.json ? "\n" : "");
  return gates.at("verdict").as_string() == "pass" ? 0 : exit_code(ErrorCode::gate_closed);
}

Result<int> override_or_withdraw(const Settings& settings, const GateQuestion& question) {
  json::object fields = {{"entity", question.entity}, {"to", question.to}};
  if (question.cohort) fields["cohort"] = *question.cohort;
  if (question.approver) fields["approver"] = *question.approver;
  if (question.why) fields["why"] = *question.why;
  if (question.withdraw) fields["withdraw"] = true;
  auto answer = TRY(DaemonClient(settings).post("override-gate", std::move(fields)));
  if (settings.json) {
    fmt::print("{}\n", answer);
    return 0;
  }
  auto parsed = json::parse(answer);
  for (const auto& event : parsed.at("events").as_array())
    fmt::print("{}\n", std::string_view(event.as_string()));
  if (parsed.at("events").as_array().empty()) fmt::print("nothing has changed\n");
  return 0;
}

}  // namespace

void add_gate_command(Cli& cli) {
  auto question = std::make_shared<GateQuestion>();
  auto* app = cli.add(
      "gate", "whether the spec's conditions for entering a state hold, one by one, and what is missing",
      [question, &cli] {
        bool orders = question->override || question->withdraw;
        return orders ? override_or_withdraw(cli.settings, *question) : show(cli.settings, *question);
      });
  app->add_option("ENTITY", question->entity, "the entity, as the spec names it")->required();
  app->add_option("--to", question->to, "the state to be entered")->required()->type_name("STATE");
  app->add_option("--cohort", question->cohort, "one of its cohorts (default: all)");
  auto* override = app->add_flag("--override", question->override,
                                 "let it be entered whatever the gate says, until that is withdrawn");
  app->add_option("--approver", question->approver, "who has approved that; not the one who asks")
      ->needs(override)
      ->type_name("NAME");
  app->add_option("--why", question->why, "a reason, for the journal");
  app->add_flag("--withdraw", question->withdraw, "take an override back")->excludes(override);
}

}  // namespace oxbow
