#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <optional>

#include "adapters/postgres/postgres.hpp"
#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/daemon_client.hpp"
#include "apps/journal_on_disk.hpp"
#include "apps/load_spec.hpp"
#include "core/routing/body_key_scanner.hpp"
#include "core/routing/explain.hpp"
#include "protocol/http1/head.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

// The states to decide by, and where they come from.
struct KnownStates {
  RoutingState states;
  std::string source;
};

// States go by name, so that also a spec that was changed since the start can be asked about.
RoutingState states_of(const json::value& status, const RouteTable& table) {
  auto states = all_in(State::legacy, table);
  auto has_none = [&](std::string_view entity) {
    return std::ranges::any_of(status.at("shadows_kept_away").as_array(), [&](const json::value& each) {
      return each.at("entity").as_string() == entity;
    });
  };
  for (const auto& value : status.at("cohorts").as_array()) {
    for (std::size_t i = 0; i < table.entities().size(); ++i) {
      const auto& entity = table.entities()[i];
      if (value.at("entity").as_string() != entity.name) continue;
      for (std::size_t j = 0; j < entity.cohort_names.size(); ++j) {
        if (value.at("cohort").as_string() != entity.cohort_names[j]) continue;
        const auto& proof = value.at("proof");
        states.cohorts[i][j] = {
            .state = parse_state(std::string_view(value.at("state").as_string())).value_or(State::legacy),
            .proven = !proof.is_null() && proof.at("result").as_string() == name(VerifyState::equal),
            .copied = value.at("copied").as_bool(),
            .shadows_kept_away = has_none(entity.name)};
      }
    }
  }
  return states;
}

// What a gateway that starts now would decide by. That rows are copied is not in the journal; where both
// sides were compared, they are.
RoutingState states_of(const Lifecycle& lifecycle, const Spec& spec) {
  DataFacts facts;
  for (const auto& entity : spec.entities) {
    for (std::uint32_t i = 0; i < entity.cohorts.size(); ++i) {
      auto life = lifecycle.cohorts.find({entity.name, entity.cohorts[i].name});
      if (life == lifecycle.cohorts.end()) continue;
      const auto& proof = life->second.proof;
      bool was_compared =
          proof && (proof->result == VerifyState::equal || proof->result == VerifyState::differs);
      if (was_compared) facts.copied[entity.name].insert(CohortId(i));
      if (changes_hands(life->second)) facts.held[entity.name].insert(CohortId(i));
    }
  }
  return routing_state(spec, lifecycle, facts, 0);
}

// Of the spec whose routes are in force; without a gateway none are, and the one of the start counts.
std::string_view hash_in_force(const json::value& status) {
  const auto& traffic = status.at("traffic");
  return (traffic.is_null() ? status : traffic).at("spec_hash").as_string();
}

KeyKinds kinds_of(const json::value& status) {
  KeyKinds kinds;
  for (const auto& entity : status.at("entities").as_array()) {
    auto found = std::ranges::find(kKeyKindNames, std::string_view(entity.at("key_kind").as_string()));
    if (found != kKeyKindNames.end())
      kinds[std::string(entity.at("entity").as_string())] =
          static_cast<KeyKind>(found - kKeyKindNames.begin());
  }
  return kinds;
}

// A database that is away is no reason to explain nothing.
KeyKinds ask_database(const Spec& spec) {
  auto read = [](const Spec& of) -> Task<Catalog> {
    auto source = postgres::make_source_admin(of.legacy.database, of.migration);
    co_return co_await source->read_catalog();
  };
  auto catalog = run_blocking(read(spec));
  return catalog ? key_kinds(spec, *catalog) : KeyKinds();
}

struct RouteCommand {
  const Settings& settings;
  std::string request = {};
  std::vector<std::string> headers = {};
  std::optional<std::string> body = {};
  std::optional<std::string> state_of = {};

  Result<int> operator()() const {
    auto head = TRY(parse_head());
    auto spec = TRY(load_spec(settings));
    auto status = TRY(status_of_running());
    auto table = RouteTable::compile(spec, status ? kinds_of(*status) : ask_database(spec));
    auto known = known_states(spec, table, status);
    auto match = table.match(head);
    std::string buffer;
    auto key = match.route ? find_key(table, match, head, buffer) : RequestKey();
    std::optional<BodyKeyScanner> scanner;
    if (key.found == KeyFound::in_body && body) {
      const auto& routed = table.routes()[*match.route];
      scanner.emplace(routed.body_path, table.entities()[routed.entity].key_kind);
      scanner->feed(*body);
      scanner->finish();
      key = scanner->result();
    }
    auto decision = decide(table, known.states, match, key, head.target);
    if (http1::wants_upgrade(head)) decide_upgrade(decision);
    auto lines = explain(table, head, match, key, decision);
    lines.insert(lines.begin() + 1, "states: " + known.source);
    bool in_force = status && hash_in_force(*status) == table.spec_hash();
    if (status && !in_force)
      lines.insert(lines.begin() + 1,
                   fmt::format("spec: {} as it is on disk, which is NOT in force: the running oxbow "
                               "decides by an earlier version (see `oxbow findings`)",
                               spec.file));
    if (settings.json) {
      print_json(table, key, decision, lines, in_force);
    } else {
      for (const auto& line : lines) fmt::print("{}\n", line);
    }
    return 0;
  }

 private:
  Result<RequestHead> parse_head() const {
    RequestHead head;
    auto text = std::string_view(request);
    auto space = text.find(' ');
    head.method = space == std::string_view::npos ? "GET" : text.substr(0, space);
    head.target = space == std::string_view::npos ? text : text.substr(space + 1);
    if (!head.target.empty() && !head.target.starts_with('/'))
      return Err(ErrorCode::usage,
                 "`{}` is no request: a path begins with a slash, as in 'GET /payments/4711'", request);
    if (head.method.empty() || head.target.empty())
      return Err(ErrorCode::usage, "`{}` is no request; write a method and a path: 'GET /payments/4711'",
                 request);
    for (std::string_view line : headers) {
      auto colon = line.find(':');
      if (colon == std::string_view::npos || colon == 0)
        return Err(ErrorCode::usage, "`{}` is no header field; write a name and a value: 'X-Id: 4711'", line);
      auto value = line.substr(colon + 1);
      value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
      head.fields.push_back({.name = line.substr(0, colon), .value = value});
    }
    head.host = find_field(head.fields, "host").value_or("");
    return head;
  }

  // None: no oxbow runs.
  Result<std::optional<json::value>> status_of_running() const {
    auto answer = DaemonClient(settings).get("status");
    if (!answer && answer.error().code == ErrorCode::not_running) return std::nullopt;
    return json::parse(TRY(std::move(answer)));
  }

  KnownStates known_states(const Spec& spec, const RouteTable& table,
                           const std::optional<json::value>& status) const {
    if (state_of)
      return {all_in(*parse_state(*state_of), table), fmt::format("every cohort in {}, as asked", *state_of)};
    if (status) return {states_of(*status, table), "those of the running oxbow"};
    auto lifecycle = lifecycle_on_disk(settings);
    if (!lifecycle)
      return {
          all_in(State::legacy, table),
          fmt::format("NOT KNOWN, because no oxbow runs and its journal cannot be read ({}); every cohort is "
                      "taken to be in legacy",
                      to_string(lifecycle.error()))};
    if (!*lifecycle)
      return {all_in(State::legacy, table),
              fmt::format("every cohort in legacy, because no oxbow runs, and there is no journal {}",
                          settings.store_path())};
    return {states_of(**lifecycle, spec),
            fmt::format("those of the journal {}, because no oxbow runs", settings.store_path())};
  }

  static void print_json(const RouteTable& table, const RequestKey& key, const Decision& decision,
                         const std::vector<std::string>& lines, bool in_force) {
    json::object answer = {{"side", name(decision.side)},
                           {"because", name(decision.because)},
                           {"shadow", decision.shadow ? json::value(name(*decision.shadow)) : json::value()},
                           {"shadow_why", name(decision.shadow_why)},
                           {"in_force", in_force},
                           {"lines", json::value_from(lines)}};
    if (decision.route) {
      const auto& routed = table.routes()[*decision.route];
      const auto& entity = table.entities()[decision.entity];
      answer["route"] = fmt::format("{} {}", routed.route.method, routed.route.path);
      answer["entity"] = entity.name;
      answer["key"] = key.found == KeyFound::yes ? json::value(key.text) : json::value();
      answer["cohort"] =
          decision.cohort ? json::value(entity.cohort_names[decision.cohort->value()]) : json::value();
      answer["state"] = decision.state ? json::value(name(*decision.state)) : json::value();
    }
    fmt::print("{}\n", json::serialize(answer));
  }
};

std::string check_state(const std::string& text) {
  if (parse_state(text)) return "";
  return "`" + text + "` is no state; states are " + fmt::format("{}", fmt::join(kStateNames, ", "));
}

}  // namespace

void add_route_command(Cli& cli) {
  auto route = std::make_shared<RouteCommand>(RouteCommand{cli.settings});
  auto* app = cli.add("route", "explain which side would answer a request", [route] { return (*route)(); });
  app->add_option("REQUEST", route->request, "method and path: 'GET /payments/4711'")->required();
  app->add_option("--header", route->headers, "a header field: 'X-Id: 4711'; may be repeated")
      ->type_name("FIELD")
      ->allow_extra_args(false);
  app->add_option("--body", route->body, "the request's body, for a key that is there")->type_name("TEXT");
  app->add_option(
         "--state-of", route->state_of,
         "as if every cohort were in this state (default: as the running oxbow says, else the journal)")
      ->type_name("STATE")
      ->check(check_state);
}

}  // namespace oxbow
