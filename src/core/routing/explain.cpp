#include "core/routing/explain.hpp"

#include <fmt/core.h>

namespace oxbow {
namespace {

std::string_view sentence_of(PathFault fault) {
  switch (fault) {
    case PathFault::none:
      return "";
    case PathFault::not_a_path:
      return "it does not begin with a slash";
    case PathFault::bad_escape:
      return "it has a % without two hexadecimal digits behind it";
    case PathFault::hidden_separator:
      return "it has a backslash, or an encoded slash or control character";
    case PathFault::double_escape:
      return "it has a % that is encoded itself (%25)";
    case PathFault::semicolon:
      return "it has a semicolon, behind which some services read no further";
    case PathFault::odd_character:
      return "it has a character that has to be encoded";
    case PathFault::empty_segment:
      return "it has two slashes in a row";
    case PathFault::dot_segment:
      return "it has . or .. in it";
    case PathFault::too_many_segments:
      return "it has too many parts";
  }
  return "";
}

std::string why_unlisted(const RouteMatch& match) {
  switch (match.unlisted) {
    case Unlisted::no:
      return "";
    case Unlisted::no_route:
      return "no route has this path";
    case Unlisted::other_method:
      return "the path has routes, but none for this method";
    case Unlisted::other_conditions:
      return "the route of this path asks for another host or other header fields";
    case Unlisted::two_values:
      return "a header field that a route asks for came with two values";
    case Unlisted::odd_path:
      return fmt::format("a service could read this path in another way: {}", sentence_of(match.fault));
  }
  return "";
}

std::string why_no_key(KeyFound found, KeyKind kind) {
  switch (found) {
    case KeyFound::yes:
      return "";
    case KeyFound::none_declared:
      return "requests of this route name no single key";
    case KeyFound::in_body:
      return "it is in the body, which was not given";
    case KeyFound::absent:
      return "it is not there";
    case KeyFound::twice:
      return "it is there more than once, and a service may take either";
    case KeyFound::malformed:
      return "it is malformed";
    case KeyFound::not_plain:
      if (kind == KeyKind::unknown)
        return "it may not be how the database prints it, which could not be asked, so its cohort is not "
               "known";
      return "it is not written as the database prints it, so its cohort is not known";
    case KeyFound::not_json:
      return "the body is not JSON";
    case KeyFound::too_far:
      return "the body is too long or too deep to look at all of it";
  }
  return "";
}

std::string route_line(const RoutedRoute& routed, const RoutedEntity& entity) {
  const auto& route = routed.route;
  auto kind = route.write ? std::string("a write") : fmt::format("a read of class {}", name(*route.read));
  return fmt::format("route: {} {} of {} (line {}), {}", route.method, route.path, entity.name,
                     route.mark.line, kind);
}

std::string key_line(const RoutedRoute& routed, KeyKind kind, const RequestKey& key) {
  auto source = routed.route.key.value_or(KeySource());
  if (key.found == KeyFound::none_declared) return fmt::format("key: {}", why_no_key(key.found, kind));
  if (key.found == KeyFound::yes) return fmt::format("key: {} is {}", to_string(source), key.text);
  return fmt::format("key: {}: {}", to_string(source), why_no_key(key.found, kind));
}

std::string cohort_line(const RoutedEntity& entity, const Decision& decision) {
  if (!decision.cohort) return "cohort: not known without a key; all of them count";
  const auto& cohort = entity.cohort_names[decision.cohort->value()];
  if (decision.bucket)
    return fmt::format("cohort: {}, by bucket {} of {}", cohort, *decision.bucket, kBucketCount);
  if (entity.cohort_names.size() == 1) return fmt::format("cohort: {}, the only one", cohort);
  return fmt::format("cohort: {}, which names this key", cohort);
}

std::string why_side(const RoutedRoute& routed, const Decision& decision) {
  switch (decision.because) {
    case Because::unlisted:
      return "requests without a route go there";
    case Because::authority:
      return "it accepts the writes in this state";
    case Because::class_stays:
      return fmt::format("this class of reads moves in {}", name(routed.moves_at));
    case Because::class_moved:
      return fmt::format("this class of reads moved in {}", name(routed.moves_at));
    case Because::not_proven:
      return "this class of reads may move now, once a verification finds both sides equal";
    case Because::not_copied:
      return "this class of reads may move now, once all rows are copied";
    case Because::cutover:
      return "legacy is locked";
    case Because::no_key_stays:
      return "without a key, as long as a cohort may need it";
    case Because::no_key_moved:
      return "without a key, because no cohort needs legacy any more";
    case Because::own_writes:
      return "it accepts the writes, and what this client has done may not have come over yet";
  }
  return "";
}

std::string shadow_line(const RoutedRoute& routed, const Decision& decision) {
  auto share = routed.route.shadow.buckets / 100.0;
  switch (decision.shadow_why) {
    case ShadowWhy::sent:
      return fmt::format("shadow: {}; {}% of the route's requests have one", name(*decision.shadow), share);
    case ShadowWhy::unlisted:
      return "shadow: none; requests without a route have none";
    case ShadowWhy::off:
      return "shadow: none; the route says off";
    case ShadowWhy::sampled_out:
      return fmt::format("shadow: none; it is not among the {}% that have one", share);
    case ShadowWhy::by_state:
      return "shadow: none in this state";
    case ShadowWhy::no_safe_way:
      return "shadow: none; the route names no safe way to repeat this write";
    case ShadowWhy::mixed:
      return "shadow: none; not all cohorts are on both sides";
    case ShadowWhy::not_copied:
      return "shadow: none; until all rows of its cohort are copied, the new side cannot know them";
    case ShadowWhy::kept_away:
      return "shadow: none; `oxbow shadow ENTITY --off` keeps them away";
    case ShadowWhy::upgraded:
      return "shadow: none; the connection is upgraded, and nobody knows what is said on it";
  }
  return "";
}

}  // namespace

std::vector<std::string> explain(const RouteTable& table, const RequestHead& head, const RouteMatch& match,
                                 const RequestKey& key, const Decision& decision) {
  std::vector<std::string> lines = {fmt::format("request: {} {}", head.method, head.target)};
  if (!decision.route) {
    lines.push_back(fmt::format("route: none; {}", why_unlisted(match)));
    lines.push_back("answers: legacy; requests without a route go there");
    lines.push_back("shadow: none; requests without a route have none");
    return lines;
  }
  const auto& routed = table.routes()[*decision.route];
  const auto& entity = table.entities()[decision.entity];
  lines.push_back(route_line(routed, entity));
  lines.push_back(key_line(routed, entity.key_kind, key));
  lines.push_back(cohort_line(entity, decision));
  if (decision.state) lines.push_back(fmt::format("state: {}", name(*decision.state)));
  lines.push_back(fmt::format("answers: {}; {}", name(decision.side), why_side(routed, decision)));
  lines.push_back(shadow_line(routed, decision));
  return lines;
}

}  // namespace oxbow
