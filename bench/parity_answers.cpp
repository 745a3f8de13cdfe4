#include "parity_answers.hpp"

#include <fmt/format.h>

namespace oxbow {
namespace {

struct Shape {
  bool reversed = false;       // members
  bool with_blanks = false;    // printed for people
  bool other_numbers = false;  // 12.50 for 12.5
  bool price_differs = false;  // of each line
  bool last_differs = false;   // a value near the end
  bool line_has_more = false;  // one member more in each line
};

std::string object(std::vector<std::string> members, const Shape& shape, int depth) {
  std::string out = "{";
  auto line =
      shape.with_blanks ? "\n" + std::string(static_cast<std::size_t>(depth) * 2 + 2, ' ') : std::string();
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ',';
    out += line + members[shape.reversed ? members.size() - 1 - i : i];
  }
  return out + (shape.with_blanks ? line.substr(0, line.size() - 2) : "") + "}";
}

std::string member(std::string_view name, std::string_view value, const Shape& shape) {
  return fmt::format("\"{}\":{}{}", name, shape.with_blanks ? " " : "", value);
}

std::string order_line(int i, const Shape& shape) {
  auto say = [&](std::string_view name, std::string value) { return member(name, value, shape); };
  std::vector<std::string> members = {
      say("line_id", std::to_string(900'000 + i)),
      say("sku", fmt::format("\"SKU-{:05}\"", i * 37 % 100'000)),
      say("description", fmt::format("\"Bolt, zinc plated, M{} x {} mm\"", i % 12 + 3, i * 5 % 120 + 10)),
      say("quantity", std::to_string(i % 9 + 1)),
      say("unit_price",
          fmt::format("{}.{}{}", i * 7 % 300, shape.price_differs ? 7 : 5, shape.other_numbers ? "0" : "")),
      say("in_stock", i % 3 != 0 ? "true" : "false"),
      say("note", "null"),
      say("updated_at", fmt::format("\"2026-11-{:02}T06:00:{:02}Z\"", i % 28 + 1, i % 60))};
  if (shape.line_has_more) members.push_back(say("discount", "0"));
  return object(std::move(members), shape, 2);
}

std::string order(std::size_t lines, const Shape& shape) {
  std::string items = "[";
  for (std::size_t i = 0; i < lines; ++i) {
    if (i > 0) items += ',';
    if (shape.with_blanks) items += "\n    ";
    items += order_line(static_cast<int>(i), shape);
  }
  items += "]";
  auto say = [&](std::string_view name, std::string_view value) { return member(name, value, shape); };
  auto customer =
      object({say("id", "81723"), say("name", "\"Ångström & Søn\""), say("vip", "false")}, shape, 1);
  return object({say("order_id", "\"9d1c7a52-8f0e-4f1e-9a53-5f2f3c1b7e11\""), say("customer", customer),
                 say("items", items), say("currency", "\"EUR\""),
                 say("total", shape.last_differs ? "1234.57" : "1234.56")},
                shape, 0);
}

}  // namespace

std::vector<AnswerPair> answer_pairs(std::size_t bytes) {
  std::size_t lines = 1;
  while (order(lines, {}).size() < bytes) ++lines;
  auto pair = [&](std::string kind, const Shape& shape, bool equal) {
    return AnswerPair{std::move(kind), order(lines, {}), order(lines, shape), equal};
  };
  return {pair("equal: the same bytes", {}, true),
          pair("equal: blanks", {.with_blanks = true}, true),
          pair("equal: order of members", {.reversed = true}, true),
          pair("equal: spelling of numbers", {.other_numbers = true}, true),
          pair("differing: one value", {.last_differs = true}, false),
          pair("differing: a value in each line", {.price_differs = true}, false),
          pair("differing: a member more in each line", {.line_has_more = true}, false)};
}

}  // namespace oxbow
