#include "services/control/control_api.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "services/control/metrics.hpp"
#include "services/control/request_fields.hpp"
#include "services/control/view.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kEventsShown = 5;
constexpr std::uint64_t kListedByDefault = 100;
constexpr std::uint64_t kListedMax = 10'000;

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
                    TRY(required_state(fields.text("to")))};
  }
  if (operation == "pause") return Pause{fields.text("entity")};
  if (operation == "resume") return Resume{fields.text("entity")};
  if (operation == "halt") return Halt{};
  if (operation == "verify") return BeginVerify{fields.text("entity")};
  if (operation == "rate") {
    rate.rows_per_second_max = fields.number("rows_per_second_max").value_or(rate.rows_per_second_max);
    rate.bytes_per_second_max = fields.number("bytes_per_second_max").value_or(rate.bytes_per_second_max);
    auto workers = fields.number("workers").value_or(static_cast<std::uint64_t>(rate.workers));
    rate.workers = static_cast<int>(std::min<std::uint64_t>(workers, 1'000'000));
    return SetRate{rate};
  }
  return Err(ErrorCode::not_found, "the control API has no POST /v1/{}", operation);
}

bool concerns(const Finding& finding, std::string_view key) {
  return finding.key == key || finding.key.ends_with("=" + std::string(key));
}

}  // namespace

Task<HttpResponse> ControlApi::handle(HttpRequest request) {
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
    auto plane = parts.plane.status();
    auto open = TRY(parts.findings.count_open_findings());
    auto events = TRY(service_.journal().last(kEventsShown));
    return as_json(status_json({service_, plane, open, std::move(events)}));
  }
  if (path == "findings") {
    bool all = TRY(query_number(request, "all", 0)) != 0;
    auto limit = TRY(query_limit(request));
    return as_json(findings_json(TRY(parts.findings.list_findings(all, limit))));
  }
  if (path == "events") {
    auto limit = TRY(query_limit(request));
    if (!request.query.contains("after")) return as_json(events_json(TRY(service_.journal().last(limit))));
    auto after = TRY(query_number(request, "after", 0));
    return as_json(events_json(TRY(service_.journal().after(after, limit))));
  }
  if (path == "metrics") {
    auto open = TRY(parts.findings.count_open_findings());
    auto text = metrics_text(service_.lifecycle(), parts.plane.status(), open, parts.now());
    return HttpResponse{200, "text/plain; version=0.0.4", std::move(text)};
  }
  if (path == "why") {
    auto key = request.query.find("key");
    if (key == request.query.end() || key->second.empty())
      return Err(ErrorCode::usage, "say which key: /v1/why?key=4711");
    return why(key->second);
  }
  if (path.starts_with("verify/")) {
    auto digits = path.substr(7);
    std::uint64_t id = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      return Err(ErrorCode::not_found, "`{}` is no verification", digits);
    }
    return as_json(verify_json(TRY(parts.plane.verify_report(VerifyId(id)))));
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
  if (dry_run) return as_json(outcome_json(TRY(service_.rehearse(command)), true, std::nullopt));
  if (verifies) {
    auto id = TRY(service_.verify(command, verify_rate));
    return as_json(outcome_json({}, false, id));
  }
  return as_json(outcome_json(TRY(service_.execute(command)), false, std::nullopt));
}

Result<HttpResponse> ControlApi::why(const std::string& key) {
  auto lines = TRY(service_.parts().plane.explain_key(key));
  auto findings = TRY(service_.parts().findings.list_findings(true, kListedMax));
  std::erase_if(findings, [&](const StoredFinding& stored) { return !concerns(stored.finding, key); });
  return as_json(why_json(key, lines, findings));
}

}  // namespace oxbow
