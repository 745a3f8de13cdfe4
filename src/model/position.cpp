#include "model/position.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace oxbow {
namespace {

bool parse_number(std::string_view text, std::uint64_t& value, int base) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::string to_string(Lsn lsn) {
  return fmt::format("{:X}/{:X}", lsn.value() >> 32, lsn.value() & 0xffffffff);
}

Result<Lsn> parse_lsn(std::string_view text) {
  auto slash = text.find('/');
  std::uint64_t high = 0, low = 0;
  if (slash == std::string_view::npos || !parse_number(text.substr(0, slash), high, 16) ||
      !parse_number(text.substr(slash + 1), low, 16) || high > 0xffffffff || low > 0xffffffff) {
    return Err(ErrorCode::malformed, "'{}' is not a log position such as 16/B374D848", text);
  }
  return Lsn(high << 32 | low);
}

Xid widen(std::uint32_t xid, Xid reference) {
  auto distance = static_cast<std::int32_t>(xid - static_cast<std::uint32_t>(reference.value()));
  return Xid(reference.value() + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance)));
}

bool Snapshot::sees(Xid xid) const {
  if (xid < xmin) return true;
  if (xid >= xmax) return false;
  return !std::binary_search(running.begin(), running.end(), xid);
}

std::string to_string(const Snapshot& snapshot) {
  std::string text = fmt::format("{}:{}:", snapshot.xmin.value(), snapshot.xmax.value());
  for (std::size_t i = 0; i < snapshot.running.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ",", snapshot.running[i].value());
  return text;
}

Result<Snapshot> parse_snapshot(std::string_view text) {
  auto malformed = [&] {
    return Err(ErrorCode::malformed, "'{}' is not a snapshot such as 10:20:10,14", text);
  };
  auto first = text.find(':');
  auto second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return malformed();
  std::uint64_t xmin = 0, xmax = 0;
  if (!parse_number(text.substr(0, first), xmin, 10) ||
      !parse_number(text.substr(first + 1, second - first - 1), xmax, 10)) {
    return malformed();
  }
  Snapshot snapshot{Xid(xmin), Xid(xmax), {}};
  auto rest = text.substr(second + 1);
  while (!rest.empty()) {
    auto comma = std::min(rest.find(','), rest.size());
    std::uint64_t xid = 0;
    if (!parse_number(rest.substr(0, comma), xid, 10)) return malformed();
    snapshot.running.push_back(Xid(xid));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  std::sort(snapshot.running.begin(), snapshot.running.end());
  return snapshot;
}

}  // namespace oxbow
