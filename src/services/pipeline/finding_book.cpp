#include "services/pipeline/finding_book.hpp"

#include <boost/asio/post.hpp>

#include <utility>

#include "base/log.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kLostShown = 10;

}  // namespace

FindingBook::FindingBook(boost::asio::any_io_executor executor, FindingStore& store,
                         std::function<WallTime()> now)
    : executor_(std::move(executor)), store_(store), now_(std::move(now)) {}

void FindingBook::report(Finding finding) {
  if (reported_.empty()) boost::asio::post(executor_, [this] { write(); });
  reported_.push_back(std::move(finding));
}

void FindingBook::write() {
  auto findings = std::exchange(reported_, {});
  if (findings.empty()) return;
  auto kept = store_.record_all(findings, now_());
  if (kept) return;
  log_error("{} findings are not kept: {}", findings.size(), to_string(kept.error()));
  if (findings.size() > kLostShown) findings.erase(findings.begin() + kLostShown, findings.end());
  for (const auto& finding : findings)
    log_error("not kept: {} {}: {}", finding.table, finding.key, finding.sentence);
}

void FindingBook::close(const FindingSelection& which, const std::string& ending) {
  write();
  auto closed = store_.close(which, ending, now_());
  if (!closed) log_error("findings are not closed, though {}: {}", ending, to_string(closed.error()));
}

}  // namespace oxbow
