#include "apps/diff_page.hpp"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <cmath>
#include <numbers>
#include <optional>

#include "apps/answer_lines.hpp"
#include "apps/grid.hpp"
#include "apps/json_lines.hpp"
#include "base/text.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdShown = 6;
constexpr std::size_t kSideBySideColumns = 100;

std::string raw(const json::value& value) {
  return std::string(value.as_string());
}
// What came with requests and answers must not command the terminal.
std::string text(const json::value& value) {
  return visible(value.as_string());
}
std::uint64_t number(const json::value& value) {
  return value.to_number<std::uint64_t>();
}
// What an `oxbow up` of an earlier version does not say is nothing.
std::uint64_t number_if_told(const json::value& document, std::string_view key) {
  const auto* value = document.as_object().if_contains(key);
  return value ? number(*value) : 0;
}
double real(const json::value& value) {
  return value.to_number<double>();
}

// As much of a path as a line of the list has room for; the page of one difference has all of it.
std::string shortened(const std::string& path) {
  constexpr std::size_t kColumns = 100;
  std::size_t columns = 0;
  for (std::size_t at = 0; at < path.size(); ++at) {
    bool begins_character = (static_cast<unsigned char>(path[at]) & 0xc0) != 0x80;
    if (begins_character && columns++ == kColumns) return path.substr(0, at) + "…";
  }
  return path;
}

std::string percent(double share) {
  return fmt::format("{:.3g} %", share * 100);
}

std::string state_of(const json::value& cluster) {
  const auto& verdict = cluster.at("verdict");
  if (!verdict.is_null()) return text(verdict.at("state"));
  const auto* lacks_room = cluster.as_object().if_contains("lacks_room");
  return lacks_room && lacks_room->as_bool() ? "not judged" : "not seen lately";
}

Tint tint_of(std::string_view state) {
  if (state == "difference") return Tint::bad;
  if (state == "undetermined" || state == "not judged") return Tint::warning;
  return state == "noise" || state == "clean" ? Tint::good : Tint::faint;
}

std::string share_of(const json::value& cluster) {
  const auto& verdict = cluster.at("verdict");
  return verdict.is_null() ? "-" : percent(real(verdict.at("rate")));
}

std::string compared_line(const json::value& document) {
  auto eligible = number(document.at("eligible")), compared = number(document.at("compared"));
  if (eligible == 0) return "no request was eligible for comparison yet\n";
  auto line =
      fmt::format("{} of {} eligible requests compared ({})", human_count(compared), human_count(eligible),
                  percent(static_cast<double>(compared) / static_cast<double>(eligible)));
  std::string_view between = "; left out: ";
  for (const auto& skipped : document.at("skipped").as_array()) {
    line +=
        fmt::format("{}{} {}", between, text(skipped.at("reason")), human_count(number(skipped.at("count"))));
    between = ", ";
  }
  return line + "\n";
}

std::string gave_way(const json::value& document) {
  auto gone = number_if_told(document, "clusters_gone");
  return gone == 0 ? "" : fmt::format(" ({} gave way to others)", counted(gone, "cluster", "clusters"));
}

std::string not_shown(const json::value& document) {
  std::string out;
  auto shown = document.at("clusters").as_array().size(), total = number(document.at("clusters_total"));
  if (total > shown) out += fmt::format("{} more clusters are rarer\n", human_count(total - shown));
  if (auto lost = number(document.at("differences_without_room")))
    out += fmt::format(
        "{} differences found no room in a cluster{}: give their routes rules, or fix them first\n",
        human_count(lost), gave_way(document));
  return out;
}

std::string nothing_listed(const json::value& document) {
  auto differed = number_if_told(document, "differed");
  if (differed == 0) return "no differences\n";
  return fmt::format("{}, and no difference of theirs was kept\n",
                     counted(differed, "request differed", "requests differed"));
}

// "a difference: ...", as a sentence for one cluster.
std::string verdict_words(const json::value& verdict) {
  auto state = text(verdict.at("state"));
  if (state == "difference" && verdict.at("by_budget").as_bool())
    return "a difference: legacy asked twice always says the same here";
  if (state == "difference")
    return fmt::format(
        "a difference: new differs more often than legacy does by itself (evidence 10^{:.1f} to 1)",
        real(verdict.at("log_e")) / std::numbers::ln10);
  if (state == "noise") return "noise: legacy differs from itself as often";
  if (state == "clean") return "clean: within what is allowed";
  return fmt::format("not known yet: about {} more pairs are needed",
                     human_count(number(verdict.at("needs_more"))));
}

std::string cluster_head(const json::value& cluster, Paint paint) {
  auto state = state_of(cluster);
  auto out = fmt::format("{}  {}  {}: {}\n{}  {}\n", paint(Tint::strong, text(cluster.at("id"))),
                         paint(tint_of(state), state), text(cluster.at("kind")), text(cluster.at("values")),
                         text(cluster.at("route")), paint(Tint::strong, text(cluster.at("path"))));
  const auto& verdict = cluster.at("verdict");
  if (!verdict.is_null()) {
    out += verdict_words(verdict) + "\n";
    out += fmt::format("{}\n{} of requests differ, between {} and {} (95 %)\n", text(verdict.at("evidence")),
                       percent(real(verdict.at("rate"))), percent(real(verdict.at("rate_low"))),
                       percent(real(verdict.at("rate_high"))));
  }
  return out + fmt::format("{} requests in all, first seen {} ago, last {} ago\n",
                           human_count(number(cluster.at("count"))),
                           human_seconds(real(cluster.at("age_seconds"))),
                           human_seconds(real(cluster.at("idle_seconds"))));
}

AnswerSheet sheet_of(std::string_view side, const json::value& answer) {
  return {.title = fmt::format("{} {}", side, number(answer.at("status"))),
          .lines = answer_lines(raw(answer.at("body")))};
}

// The values of the difference itself: bodies are cut, and it may lie behind the cut.
std::string values_line(const json::value& pair) {
  auto shown = [&](std::string_view side) {
    std::string joined;
    for (const auto& line : answer_lines(raw(pair.at(side).at("value")))) joined += line;
    return joined.empty() ? std::string("(nothing)") : joined;
  };
  return fmt::format("legacy says {}\nnew says    {}\n", shown("legacy"), shown("new"));
}

std::string example_of(const json::value& cluster, std::size_t example, std::size_t columns, Paint paint) {
  const auto& exemplars = cluster.at("exemplars").as_array();
  if (exemplars.empty()) return "no pair of answers was kept\n";
  example = std::min(example, exemplars.size() - 1);
  const auto& pair = exemplars[example];
  auto out = fmt::format("{}  {}  (example {} of {})\n", paint(Tint::strong, text(pair.at("request"))),
                         paint(Tint::faint, text(pair.at("at"))), example + 1, exemplars.size());
  out += values_line(pair) + "\n";
  auto legacy = sheet_of("legacy", pair.at("legacy")), new_side = sheet_of("new", pair.at("new"));
  return out + (columns >= kSideBySideColumns ? side_by_side(legacy, new_side, columns, paint)
                                              : unified(legacy, new_side, paint));
}

// YAML gives these a meaning inside of `{ }`.
std::string yaml_scalar(const std::string& text) {
  if (text.find_first_of("[]{},:#\"'&*!|>%@` ") == std::string::npos) return text;
  std::string quoted = "'";
  for (char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
  return quoted + "'";
}

// Of a path that is too long, what of it is whole.
std::optional<std::string> beginning_of_long(const json::value& cluster) {
  const auto* beginning = cluster.as_object().if_contains("path_begins");
  if (beginning == nullptr || beginning->is_null()) return std::nullopt;
  return raw(*beginning);
}

// A rule leaves out what it names and no less; empty if there is none.
std::string rule_for(const json::value& cluster) {
  constexpr std::string_view kHeader = "header.";
  auto path = raw(cluster.at("path")), kind = raw(cluster.at("kind"));
  auto beginning = beginning_of_long(cluster);
  if (beginning) path = *beginning;
  if (visible(path) != path) return "";                  // no YAML that a person could copy
  if (path.starts_with("header.set-cookie")) return "";  // a rule holds for the whole field
  if (path.starts_with(kHeader))
    return beginning ? "" : "ignore_header: " + yaml_scalar(path.substr(kHeader.size()));
  if (!path.starts_with('$') || (beginning && path == "$")) return "";
  return (kind == "order" && !beginning ? "unordered: " : "ignore: ") + yaml_scalar(path);
}

// How far a rule goes that names less than what differs.
std::string reach_of(const json::value& cluster) {
  auto beginning = beginning_of_long(cluster);
  if (!beginning) return "it";
  return fmt::format("all of {}, since its own path is too long for a rule,", *beginning);
}

}  // namespace

std::string differences_page(const json::value& document, Paint paint) {
  auto out = compared_line(document);
  const auto& clusters = document.at("clusters").as_array();
  if (clusters.empty()) return out + nothing_listed(document) + not_shown(document);
  Grid grid({"id", "requests", "share", "verdict", "kind", "route", "path", "first seen"});
  for (const auto& cluster : clusters) {
    auto state = state_of(cluster);
    grid.add({{text(cluster.at("id")).substr(0, kIdShown), Tint::strong},
              {human_count(number(cluster.at("count")))},
              {share_of(cluster)},
              {state, tint_of(state)},
              {text(cluster.at("kind"))},
              {text(cluster.at("route"))},
              {shortened(text(cluster.at("path")))},
              {human_seconds(real(cluster.at("age_seconds"))) + " ago"}});
  }
  return out + "\n" + grid.to_string(paint) + not_shown(document);
}

std::string cluster_page(const json::value& cluster, std::size_t example, std::size_t columns, Paint paint) {
  auto out = cluster_head(cluster, paint) + "\n" + example_of(cluster, example, columns, paint);
  auto proposal = proposed_rule(cluster);
  return proposal.empty() ? out : out + "\n" + proposal;
}

std::string proposed_rule(const json::value& cluster) {
  const auto& verdict = cluster.at("verdict");
  if (verdict.is_null() || text(verdict.at("state")) != "noise") return "";
  auto rule = rule_for(cluster);
  if (rule.empty()) return "";
  auto why = fmt::format("legacy asked twice differs by itself in {} of {} requests",
                         percent(real(verdict.at("noise_rate"))), human_count(number(verdict.at("twins"))));
  return fmt::format(
      "{} {}.\nTo leave {} out of the comparison, add to `compare:` of {}:\n  - {{ {}, why: \"{}\" }}\n",
      text(cluster.at("path")), text(verdict.at("evidence")), reach_of(cluster), text(cluster.at("route")),
      rule, why);
}

}  // namespace oxbow
