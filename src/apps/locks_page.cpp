#include "apps/locks_page.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "apps/grid.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

std::string text(const json::value& value) {
  return value.is_null() ? "" : std::string(value.as_string());
}

Tint tint_of(std::string_view mode) {
  if (mode == "open") return Tint::good;
  return mode == "closed" ? Tint::faint : Tint::warning;
}

std::string_view meaning_of(std::string_view mode) {
  if (mode == "open") return "writes pass";
  if (mode == "near") return "writes pass; a handover waits for who writes";
  if (mode == "fenced")
    return "writes get 40001, run the transaction again; a handover waits for who has written";
  return "writes get OX001 with the name of the home";
}

std::string who_is(const json::value& session) {
  const auto& pid = session.at("pid");
  return pid.is_null() ? text(session.at("who"))
                       : fmt::format("pid {} {}", pid.to_number<std::int64_t>(), text(session.at("who")));
}

std::string since(const json::value& session) {
  const auto& age = session.at("age_seconds");
  return age.is_null() ? "?" : human_seconds(age.to_number<double>());
}

std::string activity_of(const json::value& session) {
  if (session.at("age_seconds").is_null()) return "?";  // and so would be its state
  return session.at("idle_in_transaction").as_bool() ? "idle in transaction" : "at work";
}

// The entity whose tables it holds, and the cohorts whose rows it is known to have written.
std::string wrote_in(const json::value& writer) {
  std::vector<std::string> cohorts;
  for (const auto& cohort : writer.at("cohorts").as_array()) cohorts.push_back(text(cohort));
  auto entity = text(writer.at("entity"));
  if (cohorts.empty()) return entity;
  return fmt::format("{}: {}", entity, fmt::join(cohorts, ", "));
}

std::string guards_grid(const json::array& guards, Paint paint) {
  Grid grid({"COHORT", "SIDE", "GUARD", "EPOCH", "MEANING"});
  for (const auto& guard : guards) {
    auto mode = text(guard.at("mode"));
    grid.add({{text(guard.at("entity")) + "/" + text(guard.at("cohort"))},
              {text(guard.at("side"))},
              {mode, tint_of(mode)},
              {std::to_string(guard.at("epoch").to_number<std::uint64_t>())},
              {std::string(meaning_of(mode))}});
  }
  return grid.to_string(paint);
}

std::string writers_grid(const json::array& writers, Paint paint) {
  Grid grid({"WRITER", "SIDE", "SINCE", "DOES", "WROTE", "WAITED FOR BY"});
  for (const auto& writer : writers) {
    std::vector<std::string> handovers;
    for (const auto& handover : writer.at("waited_for_by").as_array())
      handovers.push_back(fmt::format("the handover of {}{}", text(handover),
                                      writer.at("keeps_guards_off").as_bool() ? ", to put guards on" : ""));
    auto activity = activity_of(writer);
    grid.add({{who_is(writer)},
              {text(writer.at("side"))},
              {since(writer)},
              {activity, activity == "idle in transaction" ? Tint::warning : Tint::none},
              {wrote_in(writer)},
              {fmt::format("{}", fmt::join(handovers, ", ")), Tint::warning}});
  }
  return grid.to_string(paint);
}

}  // namespace

std::string locks_page(const json::value& locks, Paint paint) {
  const auto& guards = locks.at("guards").as_array();
  const auto& writers = locks.at("writers").as_array();
  std::string page = guards.empty()
                         ? "no guard stands on either side: before the first handover of an entity "
                           "everybody may write\n"
                         : guards_grid(guards, paint);
  if (!writers.empty()) page += "\n" + writers_grid(writers, paint);
  if (writers.empty() && !guards.empty()) page += "nobody writes tables that are guarded\n";
  for (const auto& wait : locks.at("waits").as_array()) {
    auto known =
        wait.at("age_seconds").is_null() ? "" : fmt::format(", {} since {}", activity_of(wait), since(wait));
    page += fmt::format("{}: oxbow waits for {}{}\n", text(wait.at("side")), who_is(wait), known);
  }
  for (const auto& wait : locks.at("blocked").as_array())
    page += paint(Tint::warning, fmt::format("{}: {} waits since {} for {}\n", text(wait.at("side")),
                                             who_is(wait), since(wait), text(wait.at("waits_for"))));
  for (const auto& sentence : locks.at("unknown").as_array())
    page += paint(Tint::warning, text(sentence)) + "\n";
  return page;
}

}  // namespace oxbow
