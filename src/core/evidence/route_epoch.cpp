#include "core/evidence/route_epoch.hpp"

#include <algorithm>

namespace oxbow {

SideVersions::Seen SideVersions::see(std::string_view version, Instant now) {
  version = version.substr(0, kVersionBytesMax);
  if (version.empty()) return Seen::present;
  bool is_first = present_.empty();
  if (is_first || version == present_) {
    present_ = version;
    last_seen_ = std::max(last_seen_, now);
    return Seen::present;
  }
  bool was_before = std::ranges::find(earlier_, version) != earlier_.end();
  if (was_before && now - last_seen_ < kGoneAfter) return Seen::earlier;
  std::erase(earlier_, version);
  if (earlier_.size() == kEarlierMax) earlier_.erase(earlier_.begin());
  earlier_.push_back(std::move(present_));
  present_ = version;
  last_seen_ = now;
  return Seen::changed;
}

}  // namespace oxbow
