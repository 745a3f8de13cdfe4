#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/daemon_client.hpp"
#include "apps/grid.hpp"
#include "apps/interrupt.hpp"
#include "apps/json_lines.hpp"
#include "apps/load_spec.hpp"
#include "apps/preflight.hpp"
#include "apps/terminal.hpp"
#include "base/text.hpp"
#include "core/lifecycle/state.hpp"
#include "core/sequence/head_room.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

constexpr Duration kAskAgainAfter = std::chrono::milliseconds(100);

// What the options of an order say. Options that an order does not have stay empty.
struct Order {
  std::string operation;
  std::optional<std::string> entity, cohort, to, why, seen;
  std::optional<std::uint64_t> rows, bytes, workers, accept_loss;
  bool preview = false;
  bool withdraw = false;
  bool off = false, on = false;
  bool dry_run = false;
  bool wait = false;  // until rows are copied, until a handover has ended

  json::object to_fields() const {
    json::object fields;
    auto add = [&](const char* name, const auto& value) {
      if (value) fields[name] = *value;
    };
    add("entity", entity);
    add("cohort", cohort);
    add("to", to);
    add("why", why);
    add("rows_per_second_max", rows);
    add("bytes_per_second_max", bytes);
    add("workers", workers);
    add("accept_loss", accept_loss);
    add("seen", seen);
    if (withdraw) fields["withdraw"] = true;
    if (off) fields["off"] = true;
    if (on) fields["on"] = true;
    if (dry_run) fields["dry_run"] = true;
    return fields;
  }

  bool is_transition() const { return to.has_value(); }
};

std::string text(const json::value& value) {
  return value.is_null() ? "" : std::string(value.as_string());
}

Error to_error(const json::value& value) {
  return {parse_error_code(text(value.at("code"))).value_or(ErrorCode::internal), text(value.at("detail"))};
}

std::string value_of(const json::value& side, bool is_there) {
  if (!is_there) return "(no row)";
  return side.is_null() ? "NULL" : visible(side.as_string());
}

// One row and its fields: what the new side has, and what a rollback puts there.
std::string lost_row_lines(const json::value& row) {
  bool on_new = row.at("on_new").as_bool(), on_legacy = row.at("on_legacy").as_bool();
  auto lines = fmt::format("{} {}: {}\n", text(row.at("table")), visible(text(row.at("key"))),
                           visible(text(row.at("reason"))));
  if (!on_legacy && on_new)
    lines += fmt::format("  {} has no such row: all of it would go\n", text(row.at("legacy_table")));
  if (!on_new && on_legacy)
    lines += fmt::format("  it was deleted, and would come back from {}\n", text(row.at("legacy_table")));
  Grid grid({"  column", "new", "legacy"});
  for (const auto& field : row.at("fields").as_array())
    grid.add({{"  " + text(field.at("column"))},
              {value_of(field.at("new"), on_new)},
              {value_of(field.at("legacy"), on_legacy)}});
  if (row.at("fields").as_array().empty()) return lines + "  both sides have the same by now\n";
  return lines + grid.to_string(Paint::for_stdout());
}

std::string preview_page(const json::value& preview) {
  std::string page;
  auto unknown = text(preview.at("unknown"));
  for (const auto& cohort : preview.at("cohorts").as_array()) {
    const auto& envelope = cohort.at("envelope");
    bool is_told_below = text(envelope.at("extent")) == "unknown";
    auto reason = is_told_below ? "" : text(envelope.at("reason"));
    page += fmt::format("{}/{}  {}  envelope {}{}\n", text(cohort.at("entity")), text(cohort.at("cohort")),
                        text(cohort.at("state")), text(envelope.at("extent")),
                        reason.empty() ? "" : ": " + reason);
  }
  const auto& lag = preview.at("lag_seconds");
  if (!lag.is_null())
    page += fmt::format("lag of the way back: {}\n", human_seconds(lag.to_number<double>()));
  const auto& shown = preview.at("rows").as_array();
  if (!preview.at("rows_lost").is_null())
    page += shown.empty() ? "no row waits that a rollback would lose\n"
                          : fmt::format("a rollback would lose {}:\n", counted(shown.size(), "row", "rows"));
  if (!unknown.empty()) page += unknown + "\n";
  std::vector<std::string> left_behind;
  for (const auto& column : preview.at("left_behind").as_array()) left_behind.push_back(text(column));
  if (!left_behind.empty())
    page += fmt::format(
        "what was written on the new side in these columns stays behind, because the spec has no "
        "way back for them: {}\n",
        fmt::join(left_behind, ", "));
  for (const auto& row : shown) page += "\n" + lost_row_lines(row);
  if (auto seen = text(preview.at("seen")); !seen.empty())
    page += fmt::format("\n`--accept-loss {} --seen {}` gives up these rows, and no others\n", shown.size(),
                        seen);
  if (auto refusal = text(preview.at("refusal")); !refusal.empty() && unknown.empty())
    page += "\n" + refusal + "\n";
  return page;
}

class OrderRun {
 public:
  OrderRun(const Settings& settings, const Order& order)
      : settings_(settings), order_(order), daemon_(settings) {}

  Result<int> run() {
    if (order_.preview) return show_preview();
    bool moves = order_.is_transition() && !order_.dry_run;
    if (moves && order_.wait) journal_before_ = TRY(last_number());
    auto answer = TRY(daemon_.post(order_.operation, order_.to_fields()));
    if (!moves) {
      TRY(print_outcome(answer));
      return 0;
    }
    if (!order_.wait) {
      auto under_way = handovers_in(json::parse(TRY(daemon_.get("status"))));
      if (!under_way.empty()) return goes_on(under_way);
    }
    return wait_for_arrival();
  }

 private:
  Result<int> show_preview() {
    std::map<std::string, std::string> query{{"entity", *order_.entity}};
    if (order_.cohort) query["cohort"] = *order_.cohort;
    auto answer = TRY(daemon_.get("rollback-preview", std::move(query)));
    auto preview = json::parse(answer);
    fmt::print("{}", settings_.json ? answer + "\n" : preview_page(preview));
    // As the rollback itself would be refused.
    return preview.at("rows_lost").is_null() ? exit_code(ErrorCode::illegal_transition) : 0;
  }

  Result<std::uint64_t> last_number() const {
    auto events = json::parse(TRY(daemon_.get("events", {{"limit", "1"}})));
    const auto& last = events.at("events").as_array();
    return last.empty() ? 0 : last.back().at("number").to_number<std::uint64_t>();
  }

  static bool is_at_home_on_new(std::string_view state) {
    return authority(parse_state(state).value_or(State::legacy)) == Side::new_side;
  }

  static bool is_in_handover(const json::value& cohort) {
    auto state = text(cohort.at("state")), to = text(cohort.at("moving_to"));
    return !to.empty() && is_at_home_on_new(state) != is_at_home_on_new(to);
  }

  json::array handovers_in(const json::value& status) const {
    json::array found;
    for (const auto& cohort : status.at("cohorts").as_array())
      if (concerns(cohort) && is_in_handover(cohort)) found.push_back(cohort);
    return found;
  }

  // Behind its flip a cohort moves on to the state that it is in, and cannot be called back any more.
  std::string call_back(const json::value& cohort) const {
    auto state = text(cohort.at("state"));
    if (state == text(cohort.at("moving_to"))) return "";
    return fmt::format("; `oxbow {} {}{} --to {}` calls it back",
                       order_.operation == "advance" ? "rollback" : "advance", *order_.entity,
                       order_.cohort ? " --cohort " + *order_.cohort : "", state);
  }

  Result<int> goes_on(const json::array& cohorts) const {
    if (settings_.json) {
      fmt::print("{}\n", json::serialize(json::value{{"cohorts", cohorts}}));
      return 0;
    }
    for (const auto& cohort : cohorts) fmt::print("{}\n", describe(cohort));
    fmt::print(
        "it goes on by itself: `oxbow status --watch` follows it, --wait would have waited for its end{}\n",
        call_back(cohorts.front()));
    return 0;
  }

  Status print_outcome(const std::string& answer) const {
    auto outcome = json::parse(answer);
    auto handovers = TRY(handovers_to_foretell());
    bool is_rehearsed_advance = order_.dry_run && order_.operation == "advance";
    Result<Preflight> preflight;
    if (handovers || is_rehearsed_advance) preflight = ask_both();
    if (settings_.json) {
      if (handovers) outcome.as_object()["forecast"] = handovers->at("forecast");
      if (handovers && preflight) outcome.as_object()["head_room"] = head_room_values(preflight->head_rooms);
      fmt::print("{}\n", json::serialize(outcome));
      return {};
    }
    const auto& lines = outcome.at(order_.dry_run ? "actions" : "events").as_array();
    if (lines.empty() && order_.operation == "resume") {
      fmt::print(
          "nothing is paused or halted; a stream that had stopped tries again, with the spec as `oxbow up` "
          "read "
          "it when it started: if you changed the spec, stop it and start `oxbow up` again\n");
    } else if (lines.empty()) {
      fmt::print("nothing to do: it is so already\n");
    }
    int number = 0;
    for (const auto& line : lines) {
      if (order_.dry_run) fmt::print("{}. ", ++number);
      fmt::print("{}\n", text(line));
    }
    if (handovers) print_forecast(handovers->at("forecast"));
    if (handovers) print_head_rooms(preflight);
    if (is_rehearsed_advance) {
      print_load();
      print_set_up(preflight);
    }
    return {};
  }

  static void print_head_rooms(const Result<Preflight>& preflight) {
    if (!preflight)
      return fmt::print("for how many handovers there are numbers is not known: {}\n",
                        to_string(preflight.error()));
    for (const auto& room : preflight->head_rooms) {
      auto line =
          fmt::format("{}{}", room.sentence,
                      room.rounds < kRoundsFew ? fmt::format("; {}", kHeadRoomRemedy) : std::string());
      fmt::print("{}\n", tinted(room.rounds < kRoundsFew ? Tint::warning : Tint::none, line));
    }
  }

  // What both databases say, of the entity alone where one side has numbers for its rows.
  Result<Preflight> ask_both() const {
    auto spec = TRY(load_spec(settings_));
    auto preflight = TRY(ask_databases(settings_, spec));
    std::erase_if(preflight.head_rooms, [&](const HeadRoom& room) { return room.entity != order_.entity; });
    return preflight;
  }

  // What was measured, if the rehearsal is one of a handover.
  Result<std::optional<json::value>> handovers_to_foretell() const {
    if (!order_.dry_run || !order_.is_transition()) return std::nullopt;
    auto from = order_.operation == "advance" && order_.to == "new-write"   ? "mirrored"
                : order_.operation == "rollback" && order_.to == "mirrored" ? "new-write"
                                                                            : "";
    auto status = json::parse(TRY(daemon_.get("status")));
    bool hands_over = std::ranges::any_of(status.at("cohorts").as_array(), [&](const json::value& cohort) {
      return concerns(cohort) && text(cohort.at("state")) == from;
    });
    if (!hands_over) return std::nullopt;
    return json::parse(TRY(daemon_.get("handovers", {{"entity", *order_.entity}})));
  }

  void print_forecast(const json::value& forecast) const {
    if (forecast.is_null())
      return fmt::print(
          "how long writes will wait is not known: this journal holds no handover of {} whose pause was "
          "measured\n",
          *order_.entity);
    auto ms = [&](const char* field) { return forecast.at(field).to_number<double>(); };
    fmt::print(
        "writes will wait, as in the handovers of {} so far: p50 {:.1f} ms, p99 {:.1f} ms, max {:.1f} ms, n "
        "{}\n",
        *order_.entity, ms("pause_ms_p50"), ms("pause_ms_p99"), ms("pause_ms_max"),
        forecast.at("measured").to_number<std::uint64_t>());
    std::vector<std::string> steps;
    for (const auto& step : forecast.at("median_steps").as_array())
      steps.push_back(fmt::format("{} {:.1f}", text(step.at("step")), step.at("ms").to_number<double>()));
    fmt::print("its steps took in the median, in ms: {}\n", fmt::join(steps, ", "));
  }

  // How much of the users' load would move, if a gateway has seen it.
  void print_load() const {
    auto answer = daemon_.get("traffic");
    if (!answer) return;
    for (const auto& entity : json::parse(*answer).at("skew").as_array()) {
      if (text(entity.at("entity")) != order_.entity) continue;
      for (const auto& cohort : entity.at("cohorts").as_array())
        if (!order_.cohort || text(cohort.at("cohort")) == *order_.cohort)
          fmt::print("load of {}: {}\n", text(cohort.at("cohort")), visible(text(cohort.at("sentence"))));
    }
  }

  // What stands on the legacy side already is not set up again.
  static void print_set_up(const Result<Preflight>& preflight) {
    if (!preflight)
      return fmt::print("what changes on the legacy side is not known: {}\n", to_string(preflight.error()));
    if (!preflight->plan)
      return fmt::print("the spec does not fit the databases; see `oxbow check --connect`\n");
    if (preflight->has_begun) return;
    for (const auto& sentence : set_up_sentences(*preflight->plan)) fmt::print("{}\n", sentence);
  }

  bool concerns(const json::value& cohort) const {
    return text(cohort.at("entity")) == order_.entity &&
           (!order_.cohort || text(cohort.at("cohort")) == order_.cohort);
  }

  // Until no cohort is on its way any more. Ctrl-C ends the waiting, not the transition.
  Result<int> wait_for_arrival() const {
    ProgressLine progress(!settings_.json);
    Interrupt interrupt;
    while (true) {
      auto status = json::parse(TRY(daemon_.get("status")));
      json::array cohorts;
      std::string moving;
      std::optional<json::value> on_its_way;
      for (const auto& cohort : status.at("cohorts").as_array()) {
        if (!concerns(cohort)) continue;
        cohorts.push_back(cohort);
        if (cohort.at("moving_to").is_null()) continue;
        moving = describe(cohort);
        on_its_way = cohort;
      }
      if (moving.empty()) {
        auto copying = copy_under_way(status, cohorts);
        bool is_there = std::ranges::all_of(
            cohorts, [&](const json::value& cohort) { return text(cohort.at("state")) == order_.to; });
        if (is_there && order_.wait && copying) {
          if (text(status.at("stream").at("phase")) == "failed")
            return Err(ErrorCode::cancelled, "the copy does not go on: {}",
                       text(status.at("stream").at("reason")));
          moving = *copying;
        } else {
          progress.clear();
          return arrived(cohorts, copying.has_value());
        }
      }
      progress.show(moving);
      TRY(run_blocking(sleep_for(kAskAgainAfter)));
      if (interrupt.came()) {
        progress.clear();
        fmt::print(stderr, "{}; it goes on: `oxbow status --watch` follows it{}\n", moving,
                   on_its_way ? call_back(*on_its_way) : "");
        interrupt.end_process();
      }
    }
  }

  // How far the copy of the entity is; none: all of its rows are there, follow the log, and requests are
  // decided by that.
  std::optional<std::string> copy_under_way(const json::value& status, const json::array& cohorts) const {
    if (order_.to != "mirrored") return std::nullopt;
    const auto& stream = status.at("stream");
    std::uint64_t copied = 0, estimated = 0;
    bool is_complete = true, is_copied = true, is_known = false;
    for (const auto& table : status.at("tables").as_array()) {
      if (text(table.at("entity")) != order_.entity) continue;
      auto number = [&](const char* field) { return table.at(field).to_number<std::uint64_t>(); };
      is_known = true;
      is_copied = is_copied && number("ranges_copied") == number("ranges_total");
      is_complete = is_complete && text(table.at("phase")) == "following";
      copied += number("rows_copied");
      estimated += std::max(number("rows_copied"), number("rows_estimated"));
    }
    if (!is_known)
      return fmt::format("{}: the stream is {} {}", *order_.entity, text(stream.at("phase")),
                         text(stream.at("reason")));
    bool all_know =
        std::ranges::all_of(cohorts, [](const json::value& cohort) { return cohort.at("copied").as_bool(); });
    if (is_complete && all_know) return std::nullopt;
    return fmt::format("{}: {} of about {} rows copied{}", *order_.entity, human_count(copied),
                       human_count(estimated), is_copied ? "; the stream has to get past the copy" : "");
  }

  static std::string describe(const json::value& cohort) {
    auto line = fmt::format("{}/{}: {} -> {}", text(cohort.at("entity")), text(cohort.at("cohort")),
                            text(cohort.at("state")), text(cohort.at("moving_to")));
    if (auto wait = text(cohort.at("waits_for")); !wait.empty()) return fmt::format("{} ({})", line, wait);
    const auto& problem = cohort.at("problem");
    if (!problem.is_null()) line += fmt::format(" ({}; trying again)", to_string(to_error(problem)));
    return line;
  }

  // How long writes waited in the handover of this cohort that has just ended; null: there was none, or it
  // was not measured.
  static json::value pause_of(const json::value& cohort, const json::value& handovers, std::uint64_t after) {
    for (const auto& handover : handovers.at("handovers").as_array()) {
      bool is_this = text(handover.at("cohort")) == text(cohort.at("cohort")) &&
                     handover.at("number").to_number<std::uint64_t>() > after;
      if (is_this) return handover.at("pause_ms");
    }
    return nullptr;
  }

  Status add_pauses(json::array& cohorts) const {
    if (!journal_before_) return {};
    auto handovers = json::parse(TRY(daemon_.get("handovers", {{"entity", *order_.entity}})));
    for (auto& cohort : cohorts)
      cohort.as_object()["pause_ms"] = pause_of(cohort, handovers, *journal_before_);
    return {};
  }

  static std::string pause_text(const json::value& cohort) {
    const auto* pause = cohort.as_object().if_contains("pause_ms");
    if (!pause || pause->is_null()) return "";
    return fmt::format("; writes waited {:.1f} ms", pause->to_number<double>());
  }

  Result<int> arrived(json::array cohorts, bool is_copying) const {
    for (const auto& cohort : cohorts) {
      if (text(cohort.at("state")) == order_.to) continue;
      const auto& failure = cohort.at("last_failure");
      bool was_handover = is_at_home_on_new(text(cohort.at("state"))) != is_at_home_on_new(*order_.to);
      if (was_handover && !failure.is_null())
        return Err(ErrorCode::cancelled, "the handover of {}/{} was given up, and nothing has moved: {}",
                   text(cohort.at("entity")), text(cohort.at("cohort")), to_error(failure).detail);
      if (!failure.is_null()) return std::unexpected(to_error(failure));
      return Err(ErrorCode::cancelled, "{}/{} is in `{}`; somebody else called it back",
                 text(cohort.at("entity")), text(cohort.at("cohort")), text(cohort.at("state")));
    }
    TRY(add_pauses(cohorts));
    if (settings_.json) {
      fmt::print("{}\n", json::serialize(json::value{{"cohorts", cohorts}}));
      return 0;
    }
    for (const auto& cohort : cohorts)
      fmt::print("{}/{} is in {}{}{}\n", text(cohort.at("entity")), text(cohort.at("cohort")),
                 text(cohort.at("state")), pause_text(cohort),
                 is_copying ? "; its rows are being copied, see `oxbow status`, or wait with --wait" : "");
    return 0;
  }

  const Settings& settings_;
  const Order& order_;
  DaemonClient daemon_;
  std::optional<std::uint64_t> journal_before_;  // the last record before the order, where pauses are wanted
};

// Sets the limits that were named, or shows those that are in force.
Result<int> show_or_set_rate(const Settings& settings, const Order& order) {
  if (order.rows || order.bytes || order.workers) return OrderRun(settings, order).run();
  auto status = json::parse(TRY(DaemonClient(settings).get("status")));
  const auto& rate = status.at("rate");
  if (settings.json) {
    fmt::print("{}\n", json::serialize(rate));
    return 0;
  }
  auto limit = [&](const char* field) {
    auto value = rate.at(field).to_number<std::uint64_t>();
    return value == 0 ? "without limit" : human_count(value);
  };
  fmt::print("rows per second   {}\nbytes per second  {}\nworkers           {}\n",
             limit("rows_per_second_max"), limit("bytes_per_second_max"),
             rate.at("workers").to_number<std::uint64_t>());
  return 0;
}

struct Registered {
  CLI::App* app;
  std::shared_ptr<Order> order;
};

Result<int> run_order(const Settings& settings, const Order& order) {
  return OrderRun(settings, order).run();
}

Registered add_order(Cli& cli, const std::string& name, const std::string& purpose,
                     Result<int> (*run)(const Settings&, const Order&) = run_order) {
  auto order = std::make_shared<Order>();
  order->operation = name;
  auto* app = cli.add(name, purpose, [order, run, &cli] { return run(cli.settings, *order); });
  app->add_flag("--dry-run", order->dry_run, "print the actions and do nothing");
  app->add_option("--why", order->why, "a reason, for the journal");
  return {app, order};
}

Registered add_transition(Cli& cli, const std::string& name, const std::string& purpose,
                          const std::string& waiting) {
  auto [app, order] = add_order(cli, name, purpose);
  app->add_option("ENTITY", order->entity, "the entity, as the spec names it")->required();
  app->add_option("--cohort", order->cohort, "one of its cohorts (default: all)");
  app->add_option("--to", order->to,
                  "the state to move to: legacy, mirrored, new-write, new-read, fully-cutover")
      ->required()
      ->type_name("STATE");
  app->add_flag("--wait", order->wait, waiting);
  return {app, order};
}

}  // namespace

void add_order_commands(Cli& cli) {
  add_transition(
      cli, "advance", "move an entity one state forward",
      "wait until a handover has ended, or until all rows are copied; Ctrl-C ends the waiting only");
  auto [rollback, rollback_order] =
      add_transition(cli, "rollback", "move an entity one state back",
                     "wait until a handover has ended; Ctrl-C ends the waiting only");
  rollback->add_flag("--preview", rollback_order->preview,
                     "show what would be lost, by row and field, and do nothing");
  auto* accept_loss = rollback->add_option(
      "--accept-loss", rollback_order->accept_loss,
      "go back although so many rows are lost, exactly as --preview counts them; needs --seen, but for 0");
  accept_loss->type_name("N")->check(check_count);
  rollback
      ->add_option("--seen", rollback_order->seen, "which rows these are: what --preview prints below them")
      ->type_name("DIGEST")
      ->needs(accept_loss);
  add_order(cli, "halt",
            "stop the whole migration at once, until `oxbow resume`: nothing is copied, applied, compared or "
            "advanced");

  auto [retire, retire_order] = add_order(
      cli, "retire",
      "record that nobody reads the legacy tables of an entity any more; refused while anybody does");
  retire->add_option("ENTITY", retire_order->entity, "the entity, as the spec names it")->required();

  auto [forward, forward_order] = add_order(cli, "forward-fix",
                                            "decide that a cohort on the new side does not go back: a "
                                            "rollback is refused, and what is wrong is mended there");
  forward->add_option("ENTITY", forward_order->entity, "the entity, as the spec names it")->required();
  forward->add_option("--cohort", forward_order->cohort,
                      "one of its cohorts (default: all that are at home there)");
  forward->add_flag("--withdraw", forward_order->withdraw, "take the decision back");

  auto [shadow, shadow_order] = add_order(
      cli, "shadow", "keep the shadows of an entity's requests away, at once, or let them come again");
  shadow->add_option("ENTITY", shadow_order->entity, "the entity, as the spec names it")->required();
  auto* off = shadow->add_flag("--off", shadow_order->off,
                               "no request has a shadow; each is counted as not compared");
  shadow->add_flag("--on", shadow_order->on, "as the spec says")->excludes(off);

  auto [pause, pause_order] = add_order(cli, "pause", "hold the backfill; changes are still applied");
  pause->add_option("ENTITY", pause_order->entity, "one entity (default: all)");
  auto [resume, resume_order] = add_order(cli, "resume", "end a pause, or the halt");
  resume->add_option("ENTITY", resume_order->entity, "one entity (default: all, and the halt)");

  auto [rate, rate_order] = add_order(
      cli, "rate", "set limits of the backfill while it runs, 0: no limit; without options, show them",
      show_or_set_rate);
  rate->add_option("--rows", rate_order->rows, "rows per second")->type_name("N")->check(check_count);
  rate->add_option("--bytes", rate_order->bytes, "bytes per second")->type_name("N")->check(check_count);
  rate->add_option("--workers", rate_order->workers, "ranges copied at the same time")
      ->type_name("N")
      ->check(check_count);
}

}  // namespace oxbow
