#include "services/gateway/shadows.hpp"

#include <algorithm>
#include <array>

namespace oxbow {
namespace {

// What a copy costs beside its texts, so that a flood of empty requests is bounded, too.
constexpr std::size_t kCopyBytes = 2048;

// RFC 9110, 13.1: each side gives its versions names of its own.
constexpr std::array<std::string_view, 4> kConditions = {"If-Match", "If-None-Match", "If-Modified-Since",
                                                         "If-Unmodified-Since"};

constexpr std::array<std::string_view, 2> kEndless = {"text/event-stream", "multipart/x-mixed-replace"};

bool hangs_on_condition(const RequestHead& request, std::string_view answer_head) {
  if (find_field(request.fields, "If-Range")) return true;
  auto status = answer_head.substr(std::string_view("HTTP/1.1 ").size(), 3);
  return (status == "304" || status == "412") && std::ranges::any_of(kConditions, [&](auto name) {
           return find_field(request.fields, name).has_value();
         });
}

bool has_no_end(const HeaderFields& fields) {
  auto type = find_field(fields, "Content-Type").value_or("");
  return std::ranges::any_of(kEndless, [&](std::string_view endless) {
    return same_field_name(type.substr(0, endless.size()), endless);
  });
}

}  // namespace

Shadows::Shadows(std::size_t memory_bytes_max, std::size_t body_bytes_max, Refuses refuses, OnCopy on_copy,
                 OnSkip on_skip)
    : body_bytes_max_(body_bytes_max),
      refuses_(std::move(refuses)),
      on_copy_(std::move(on_copy)),
      on_skip_(std::move(on_skip)),
      budget_(std::make_shared<ShadowBudget>(memory_bytes_max)) {}

std::unique_ptr<ShadowCopy> Shadows::begin(const Destination& destination) {
  auto copy = std::make_unique<ShadowCopy>(budget_, body_bytes_max_);
  if (!copy->take(kCopyBytes)) copy->give_up(ShadowSkip::budget);
  copy->answered_by = destination.side;
  copy->route = *destination.route;
  copy->routing = destination.routing;
  return copy;
}

void Shadows::keep_head(ShadowCopy& copy, const HeaderFields& fields, std::string_view head_bytes) {
  if (has_no_end(fields)) return copy.give_up(ShadowSkip::type);
  copy.add(copy.answer.head, head_bytes);
}

ShadowSkip Shadows::submit(std::unique_ptr<ShadowCopy> copy, const Destination& destination,
                           const RequestHead& request, http1::RequestChanges changes) {
  if (copy->skip() != ShadowSkip::none) return skip(*copy, copy->skip());
  const auto& route = destination.routing->routes->table.routes()[copy->route].route;
  if (request.method == "HEAD" && route.method != "HEAD") return skip(*copy, ShadowSkip::no_body);
  if (hangs_on_condition(request, copy->answer.head)) return skip(*copy, ShadowSkip::conditional);
  constexpr std::array kOwn = {http1::OwnField{"X-Shadow", "1"}};
  changes.own = kOwn;
  changes.without = kConditions;
  changes.target = destination.shadow_target;
  using Kind = http1::Framing::Kind;
  auto length = copy->request_body.size();
  http1::Framing framing{length > 0 ? Kind::length : Kind::none, length};
  copy->method = request.method;
  copy->request = fmt::format("{} {}", request.method, request.target);
  http1::append_request_head(copy->request_head, request, framing, changes);
  if (!copy->take(copy->request_head.size() + copy->request.size())) return skip(*copy, ShadowSkip::budget);
  copy->takes_twin = destination.takes_twin;
  on_copy_(std::move(copy));
  return ShadowSkip::none;
}

ShadowSkip Shadows::skip(const ShadowCopy& copy, ShadowSkip why) {
  on_skip_(copy.routing, copy.route, why);
  return why;
}

void Shadows::pass_over(const Destination& destination, ShadowSkip why) {
  on_skip_(destination.routing, *destination.route, why);
}

ShadowSkip Shadows::drop(std::unique_ptr<ShadowCopy> copy, ShadowSkip why) {
  return skip(*copy, copy->skip() == ShadowSkip::none ? why : copy->skip());
}

}  // namespace oxbow
