#include "services/gateway/access_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/evidence/secret_text.hpp"
#include "core/evidence/shown_text.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kWriteEvery = std::chrono::milliseconds(500);
constexpr std::size_t kLinesBytesMax = 1 << 20;

// What is no UTF-8 would break the line's reader.
void append_text(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  fmt::format_to(std::back_inserter(out), ",\"{}\":\"", name);
  std::string readable;
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    text = readable = as_utf8(text);
  for (unsigned char c : text) {
    if (c == '"' || c == '\\')
      out.append({'\\', static_cast<char>(c)});
    else if (c < 0x20 || c == 0x7f)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    else
      out += static_cast<char>(c);
  }
  out += '"';
}

}  // namespace

AccessLog::AccessLog(const std::string& path) : writer_("the access log", path) {}

AccessLog::~AccessLog() {
  flush();
}

void AccessLog::add(const Visit& visit, const ClientExchange& client) {
  if (!writer_.is_on()) return;
  const auto& request = client.request();
  auto took_ms = std::chrono::duration<double, std::milli>(monotonic_now() - visit.began).count();
  fmt::format_to(std::back_inserter(lines_), "{{\"at\":\"{}\"", to_string(wall_now()));
  append_text(lines_, "client", client.requester().address);
  append_text(lines_, "method", request.method);
  if (request.query().empty())
    append_text(lines_, "target", request.target);
  else
    append_text(lines_, "target", without_secrets(request.target));
  append_text(lines_, "host", request.host);
  fmt::format_to(std::back_inserter(lines_), ",\"status\":{},\"ms\":{:.3f},\"bytes_in\":{},\"bytes_out\":{}",
                 visit.status, took_ms, visit.bytes_in, visit.bytes_out);
  append_text(lines_, "side", name(visit.side));
  if (visit.state) append_text(lines_, "state", name(*visit.state));
  if (visit.route) append_text(lines_, "route", visit.routing->routes->texts[*visit.route]);
  append_text(lines_, "entity", visit.entity);
  append_text(lines_, "cohort", visit.cohort);
  append_text(lines_, "reason", visit.reason);
  append_text(lines_, "shadow", name(visit.shadow));
  if (visit.attempts > 1) fmt::format_to(std::back_inserter(lines_), ",\"attempts\":{}", visit.attempts);
  if (visit.client_gone) lines_ += ",\"client_gone\":true";
  append_text(lines_, "failure", visit.failure);
  lines_ += "}\n";
  if (lines_.size() > kLinesBytesMax) flush();
}

void AccessLog::add_refused(const http1::Requester& requester, const http1::Refusal& refusal) {
  if (!writer_.is_on()) return;
  fmt::format_to(std::back_inserter(lines_), "{{\"at\":\"{}\"", to_string(wall_now()));
  append_text(lines_, "client", requester.address);
  fmt::format_to(std::back_inserter(lines_), ",\"status\":{}", refusal.status);
  append_text(lines_, "reason", "refused");
  append_text(lines_, "failure", refusal.sentence);
  lines_ += "}\n";
  if (lines_.size() > kLinesBytesMax) flush();
}

void AccessLog::flush() {
  writer_.write(std::exchange(lines_, {}));
}

Task<void> AccessLog::run() {
  while (true) {
    CO_TRY(co_await sleep_for(kWriteEvery));
    flush();
  }
}

}  // namespace oxbow
