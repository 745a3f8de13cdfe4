#include "services/preflight/constraint_check.hpp"

namespace oxbow {
namespace {

Task<ConstraintAnswer> answer(const ConstraintQuestion& question, ViolationCounter& counter) {
  if (!question.why_unknown.empty()) co_return ConstraintAnswer{.why_unknown = question.why_unknown};
  auto counted = co_await counter.count(question.sql);
  if (!counted && counted.error().code == ErrorCode::cancelled) co_return std::unexpected(counted.error());
  if (!counted) co_return ConstraintAnswer{.why_unknown = counted.error().detail};
  co_return ConstraintAnswer{.rows = counted->rows, .samples = std::move(counted->samples)};
}

}  // namespace

Task<std::vector<PreflightItem>> check_constraints(const std::vector<ConstraintQuestion>& questions,
                                                   ViolationCounter& counter, ConstraintProgress progress) {
  std::vector<PreflightItem> items;
  for (const auto& question : questions) {
    progress(question);
    items.push_back(judge(question, CO_TRY(co_await answer(question, counter))));
  }
  co_return items;
}

}  // namespace oxbow
