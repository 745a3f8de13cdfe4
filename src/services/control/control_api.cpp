#include "services/control/control_api.hpp"

#include <fmt/ranges.h>
#include <algorithm>
#include <charconv>

#include "base/text.hpp"

#include "services/control/gate_view.hpp"
#include "services/control/handover_view.hpp"
#include "services/control/metrics.hpp"
#include "services/control/request_fields.hpp"
#include "services/control/traffic_view.hpp"
#include "services/control/view.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kEventsShown = 5;
constexpr std::uint64_t kListedByDefault = 100;
constexpr std::uint64_t kListedMax = 10'000;
constexpr std::uint64_t kEverything = INT64_MAX;

HttpResponse as_json(std::string body) {
  return {200, "application/json", std::move(body)};
}

HttpResponse refusal_of(const Error& error) {
  return {http_status(error.code), "application/json", error_json(error)};
}

Result<std::uint64_t> query_number(const HttpRequest& request, const std::string& field,
                                   std::uint64_t otherwise) {
  auto found = request.query.find(field);
  if (found == request.query.end()) return otherwise;
  const auto& text = found->second;
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  return Err(ErrorCode::usage, "`{}` of {} is no number", text, field);
}

Result<std::size_t> query_limit(const HttpRequest& request) {
  return std::min(TRY(query_number(request, "limit", kListedByDefault)), kListedMax);
}

Result<std::string> required(std::optional<std::string> value, std::string_view field) {
  if (value) return *std::move(value);
  return Err(ErrorCode::usage, "field `{}` is missing", field);
}

Result<State> required_state(std::optional<std::string> value) {
  auto text = TRY(required(std::move(value), "to"));
  if (auto state = parse_state(text)) return *state;
  auto nearest = nearest_word(text, kStateNames);
  return Err(ErrorCode::usage, "`{}` is no state; {}", text,
             nearest.empty() ? "states are legacy, mirrored, new-write, new-read, fully-cutover"
                             : fmt::format("did you mean `{}`?", nearest));
}

// The wish behind POST /v1/<operation>.
Result<Wish> to_wish(std::string_view operation, RequestFields& fields, Rate rate) {
  if (operation == "advance") {
    return Advance{TRY(required(fields.text("entity"), "entity")), fields.text("cohort"),
                   TRY(required_state(fields.text("to")))};
  }
  if (operation == "rollback") {
    return Rollback{TRY(required(fields.text("entity"), "entity")), fields.text("cohort"),
                    TRY(required_state(fields.text("to"))), fields.number("accept_loss"),
                    fields.text("seen")};
  }
  if (operation == "pause") return Pause{fields.text("entity")};
  if (operation == "resume") return Resume{fields.text("entity")};
  if (operation == "halt") return Halt{};
  if (operation == "verify") return BeginVerify{fields.text("entity")};
  if (operation == "retry") return RetryQuarantined{fields.text("key")};
  if (operation == "retire") return Retire{TRY(required(fields.text("entity"), "entity"))};
  if (operation == "forward-fix")
    return GoForward{TRY(required(fields.text("entity"), "entity")), fields.text("cohort"),
                     fields.flag("withdraw")};
  if (operation == "shadow") {
    auto entity = TRY(required(fields.text("entity"), "entity"));
    bool off = fields.flag("off"), on = fields.flag("on");
    if (off == on) return Err(ErrorCode::usage, "say what shall become of the shadows: `off` or `on`");
    return KeepShadowsAway{std::move(entity), on};
  }
  if (operation == "override-gate")
    return OverrideGate{TRY(required(fields.text("entity"), "entity")), fields.text("cohort"),
                        TRY(required_state(fields.text("to"))), fields.text("approver").value_or(""),
                        fields.flag("withdraw")};
  if (operation == "anew") return BeginAnew{fields.text("route")};
  if (operation == "close-findings") return CloseFindings{TRY(required(fields.text("which"), "which"))};
  if (operation == "rate") {
    rate.rows_per_second_max = fields.number("rows_per_second_max").value_or(rate.rows_per_second_max);
    rate.bytes_per_second_max = fields.number("bytes_per_second_max").value_or(rate.bytes_per_second_max);
    auto workers = fields.number("workers").value_or(static_cast<std::uint64_t>(rate.workers));
    rate.workers = static_cast<int>(std::min<std::uint64_t>(workers, 1'000'000));
    return SetRate{rate};
  }
  return Err(ErrorCode::not_found, "the control API has no POST /v1/{}", operation);
}

Result<FindingKind> parse_finding_kind(const std::string& text) {
  auto kind = std::ranges::find(kFindingKindNames, text);
  if (kind != kFindingKindNames.end()) return static_cast<FindingKind>(kind - kFindingKindNames.begin());
  auto nearest = nearest_word(text, kFindingKindNames);
  return Err(ErrorCode::usage, "`{}` is no finding's number and no kind; {}", text,
             nearest.empty() ? fmt::format("kinds are {}", fmt::join(kFindingKindNames, ", "))
                             : fmt::format("did you mean `{}`?", nearest));
}

// What a person may close. That a row waits in quarantine is a fact that ends with the row's release.
Result<FindingSelection> closable(const std::string& which, FindingStore& findings) {
  std::uint64_t id = 0;
  auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), id);
  bool is_id = error == std::errc{} && end == which.data() + which.size();
  FindingSelection selection;
  if (is_id) {
    selection.id = id;
  } else {
    selection.kind = TRY(parse_finding_kind(which));
  }
  auto quarantined =
      TRY(findings.list_findings({.kind = FindingKind::quarantined_row, .limit = kEverything}));
  bool waits = std::ranges::any_of(quarantined, [&](const StoredFinding& stored) { return stored.id == id; });
  if (selection.kind == FindingKind::quarantined_row || (is_id && waits))
    return Err(ErrorCode::illegal_transition,
               "a row that waits in quarantine is not settled by closing its finding: run `oxbow quarantine "
               "--retry` once its cause is mended");
  return selection;
}

// "GET /payments/{payment_id}" is a route that the gateway compares.
Status refuse_unknown_route(const std::optional<std::string>& wanted, const ControlParts& parts) {
  if (parts.traffic == nullptr)
    return Err(ErrorCode::not_found, "the spec has no `gateway`, so no answers are compared");
  if (!wanted) return {};
  std::vector<std::string> known;
  for (const auto& entity : parts.spec.entities)
    for (const auto& route : entity.routes) known.push_back(route.method + " " + route.path);
  parts.traffic->look([&](const AnswersKnown& answers) {
    for (const auto& [route, figures] : answers.routes) known.push_back(route);
  });
  if (std::ranges::find(known, *wanted) != known.end()) return {};
  std::vector<std::string_view> words(known.begin(), known.end());
  auto nearest = nearest_word(*wanted, words);
  return Err(ErrorCode::not_found, "the gateway compares no route `{}`; {}", *wanted,
             nearest.empty() ? "say it as the spec does: `GET /payments/{payment_id}`"
                             : fmt::format("did you mean `{}`?", nearest));
}

// What the plane does not know while the stream does not run, the findings do.
Result<PlaneStatus> status_of(const ControlParts& parts) {
  auto status = parts.plane.status();
  auto count = [&](FindingKind kind) { return parts.findings.count_findings({.kind = kind}); };
  if (!status.stream.quarantined_rows)
    status.stream.quarantined_rows = TRY(count(FindingKind::quarantined_row));
  status.stream.rogue_writes = TRY(count(FindingKind::rogue_write));
  return status;
}

std::map<Scope, Envelope> envelopes_of(const ControlService& service) {
  std::map<Scope, Envelope> envelopes;
  for (const auto& [scope, life] : service.lifecycle().cohorts)
    envelopes.emplace(scope, service.envelope(scope));
  return envelopes;
}

}  // namespace

Task<HttpResponse> ControlApi::handle(HttpRequest request) {
  if (request.method == "GET" && request.path == "/v1/why") {
    auto explained = co_await why(std::move(request));
    co_return explained ? std::move(*explained) : refusal_of(explained.error());
  }
  if (request.method == "GET" && request.path == "/v1/rollback-preview") {
    auto previewed = co_await preview(std::move(request));
    co_return previewed ? std::move(*previewed) : refusal_of(previewed.error());
  }
  auto answered = answer(request);
  co_return answered ? std::move(*answered) : refusal_of(answered.error());
}

Result<HttpResponse> ControlApi::answer(const HttpRequest& request) {
  if (!request.path.starts_with("/v1/"))
    return Err(ErrorCode::not_found, "the control API has no {}", request.path);
  if (request.method == "GET") return get(request);
  if (request.method == "POST") return post(request);
  return Err(ErrorCode::usage, "the control API answers GET and POST, not {}", request.method);
}

Result<HttpResponse> ControlApi::get(const HttpRequest& request) {
  auto path = std::string_view(request.path).substr(4);
  const auto& parts = service_.parts();
  if (path == "status") {
    auto plane = TRY(status_of(parts));
    auto open = TRY(parts.findings.count_findings({}));
    auto events = TRY(service_.journal().last(kEventsShown));
    return as_json(status_json({service_, plane, open, std::move(events)}));
  }
  if (path == "ready") {
    auto why_not = service_.why_not_ready();
    return HttpResponse{why_not.empty() ? 200 : 503, "application/json", ready_json(why_not)};
  }
  if (path == "findings") {
    FindingQuery query{.with_closed = TRY(query_number(request, "all", 0)) != 0,
                       .skip = TRY(query_number(request, "skip", 0)),
                       .limit = TRY(query_limit(request))};
    if (auto kind = request.query.find("kind"); kind != request.query.end())
      query.kind = TRY(parse_finding_kind(kind->second));
    auto listed = TRY(parts.findings.list_findings(query));
    return as_json(findings_json(listed, TRY(parts.findings.count_findings(query))));
  }
  if (path == "events") {
    auto limit = TRY(query_limit(request));
    if (!request.query.contains("after")) return as_json(events_json(TRY(service_.journal().last(limit))));
    auto after = TRY(query_number(request, "after", 0));
    return as_json(events_json(TRY(service_.journal().after(after, limit))));
  }
  if (path == "handovers") {
    auto asked = request.query.find("entity");
    auto of = asked == request.query.end() ? std::nullopt : std::optional(asked->second);
    auto limit = TRY(query_limit(request));
    return as_json(TRY(handovers_json(service_.journal(), of, limit)));
  }
  if (path == "traffic" || path == "differences") {
    auto text = [&](const char* name) {
      auto found = request.query.find(name);
      return found == request.query.end() ? std::nullopt : std::optional(found->second);
    };
    auto route = text("route");
    TRY(refuse_unknown_route(route, parts));
    if (path == "traffic") return as_json(traffic_json(*parts.traffic));
    DifferencesQuery query{text("cluster").value_or(""), route.value_or(""), TRY(query_limit(request))};
    return as_json(TRY(differences_of(*parts.traffic, query, parts.now())));
  }
  if (path == "metrics") {
    auto open = TRY(parts.findings.count_findings({}));
    auto plane = TRY(status_of(parts));
    auto text = metrics_text({.lifecycle = service_.lifecycle(),
                              .plane = plane,
                              .envelopes = envelopes_of(service_),
                              .stream_back_silent_for = parts.plane.stream_back().silent_for,
                              .is_ready = service_.why_not_ready().empty(),
                              .findings_open = open,
                              .now = parts.now()});
    if (parts.traffic != nullptr) text += traffic_metrics_text(*parts.traffic);
    return HttpResponse{200, "text/plain; version=0.0.4", std::move(text)};
  }
  if (path == "gate") {
    auto text = [&](const char* name) {
      auto found = request.query.find(name);
      return found == request.query.end() ? std::nullopt : std::optional(found->second);
    };
    auto entity = TRY(required(text("entity"), "entity"));
    auto to = TRY(required_state(text("to")));
    auto scopes = TRY(service_.scopes_of(entity, text("cohort")));
    return as_json(TRY(gates_json(service_, scopes, to)));
  }
  if (path.starts_with("verify/")) {
    auto digits = path.substr(7);
    std::uint64_t id = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      return Err(ErrorCode::not_found, "`{}` is no verification", digits);
    }
    return as_json(verify_json(TRY(service_.verify_report(VerifyId(id)))));
  }
  return Err(ErrorCode::not_found, "the control API has no GET {}", request.path);
}

Result<HttpResponse> ControlApi::post(const HttpRequest& request) {
  auto operation = std::string_view(request.path).substr(4);
  auto fields = TRY(RequestFields::parse(request.body));
  Command command{fields.text("who").value_or("unknown"), fields.text("why").value_or(""), Halt{}};
  bool dry_run = fields.flag("dry_run");
  command.wish = TRY(to_wish(operation, fields, service_.rate()));
  bool verifies = std::holds_alternative<BeginVerify>(command.wish);
  auto verify_rate = verifies ? fields.number("rows_per_second_max").value_or(0) : 0;
  TRY(fields.finish());
  if (auto* anew = std::get_if<BeginAnew>(&command.wish))
    TRY(refuse_unknown_route(anew->route, service_.parts()));
  if (dry_run) return as_json(outcome_json(TRY(service_.rehearse(command)), true, std::nullopt));
  if (verifies) {
    auto id = TRY(service_.verify(command, verify_rate));
    return as_json(outcome_json({}, false, id));
  }
  if (std::holds_alternative<RetryQuarantined>(command.wish))
    return as_json(count_json("retried", TRY(service_.retry_quarantined(command))));
  if (auto* close = std::get_if<CloseFindings>(&command.wish)) {
    auto which = TRY(closable(close->which, service_.parts().findings));
    return as_json(count_json("closed", TRY(service_.close_findings(command, which))));
  }
  return as_json(outcome_json(TRY(service_.execute(command)), false, std::nullopt));
}

Task<HttpResponse> ControlApi::preview(HttpRequest request) {
  auto entity = request.query.find("entity");
  if (entity == request.query.end()) co_return Err(ErrorCode::usage, "say which entity");
  auto cohort = request.query.find("cohort");
  auto find = [&] {
    return service_.scopes_of(entity->second,
                              cohort == request.query.end() ? std::nullopt : std::optional(cohort->second));
  };
  auto asked = CO_TRY(find());
  auto loss = CO_TRY(co_await service_.preview_loss(std::move(asked)));
  auto scopes = CO_TRY(find());  // the spec may have changed meanwhile
  co_return as_json(preview_json(service_, scopes, loss));
}

Task<HttpResponse> ControlApi::why(HttpRequest request) {
  auto key = request.query["key"];
  if (key.empty()) co_return Err(ErrorCode::usage, "say which key, as in `oxbow why 4711`");
  auto explained = CO_TRY(co_await service_.parts().plane.explain_key(key));
  auto findings = CO_TRY(service_.parts().findings.list_findings({.with_closed = true, .limit = kListedMax}));
  std::erase_if(findings, [&](const StoredFinding& stored) { return !explained.concerns(stored.finding); });
  if (explained.lines.empty() && findings.empty())
    co_return Err(ErrorCode::not_found,
                  "no side holds a row with key {}, and no finding is about one; a key of several columns is "
                  "asked for as order_id=4711, line_no=1",
                  key);
  co_return as_json(why_json(key, explained.lines, findings));
}

}  // namespace oxbow
