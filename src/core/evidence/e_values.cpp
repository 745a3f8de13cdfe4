#include "core/evidence/e_values.hpp"

#include <algorithm>
#include <array>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "base/assert.hpp"

namespace oxbow {
namespace {

namespace policies = boost::math::policies;

// Results that do not fit become 0 or infinity instead of an exception.
using Quiet =
    policies::policy<policies::domain_error<policies::ignore_error>,
                     policies::overflow_error<policies::ignore_error>,
                     policies::evaluation_error<policies::ignore_error>, policies::promote_double<false>>;

double log_gamma(double x) {
  return boost::math::lgamma(x, Quiet());
}

double log_beta(double a, double b) {
  return log_gamma(a) + log_gamma(b) - log_gamma(a + b);
}

constexpr double kTooSmall = 1e-290;

// How much is bet against the hypothesis: small bets win slowly and survive much noise, large ones prove
// quickly where there is none. Most of the stake is on the largest.
constexpr std::array kBets = {0.95, 0.5, 0.25, 0.12, 0.06, 0.03, 0.015, 0.0075};

}  // namespace

double log_e_value(std::uint64_t only_new, std::uint64_t only_twin) {
  auto b = static_cast<double>(only_new);
  auto c = static_cast<double>(only_twin);
  double above_half = boost::math::ibeta(c + 1, b + 1, 0.5, Quiet());
  // Where the twin alone is restless, the part of the mean above 1/2 is too small for a number, and the other
  // factors too large. There the e-value is nearly the 1/(c - b) that it never exceeds.
  if (above_half < kTooSmall) return -std::log(c - b);
  return std::numbers::ln2 * (b + c + 1) + log_beta(b + 1, c + 1) + std::log(above_half);
}

double log_e_value_of_equality(std::uint64_t only_new, std::uint64_t only_twin, std::uint64_t ties,
                               double margin) {
  OXBOW_ASSERT(margin > 0 && margin < 1, "a margin of {} is no share", margin);
  std::array<double, kBets.size()> logs;
  double log_stake = 0;
  for (std::size_t i = 0; i < kBets.size(); ++i) {
    bool last = i + 1 == kBets.size();
    if (!last) log_stake -= std::numbers::ln2;
    logs[i] = log_stake + static_cast<double>(only_new) * std::log1p(kBets[i] * (margin - 1)) +
              static_cast<double>(only_twin) * std::log1p(kBets[i] * (margin + 1)) +
              static_cast<double>(ties) * std::log1p(kBets[i] * margin);
  }
  double largest = std::ranges::max(logs);
  double sum = 0;
  for (double log : logs) sum += std::exp(log - largest);
  return largest + std::log(sum);
}

std::vector<std::size_t> rejected_by_e_bh(std::span<const double> log_e, double level, std::uint64_t others) {
  std::vector<std::size_t> order(log_e.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(-log_e[i], i); });
  std::size_t rejected = 0;
  for (std::size_t k = 1; k <= order.size(); ++k) {
    double share = static_cast<double>(order.size() + others) / static_cast<double>(k);
    if (log_e[order[k - 1]] >= std::log(share / level)) rejected = k;
  }
  order.resize(rejected);
  return order;
}

Interval rate_interval(std::uint64_t hits, std::uint64_t trials) {
  OXBOW_ASSERT(hits <= trials, "{} hits in {} trials", hits, trials);
  if (trials == 0) return {};
  constexpr double kZ = 1.959964;
  double n = static_cast<double>(trials);
  double p = static_cast<double>(hits) / n;
  double shrink = 1 + kZ * kZ / n;
  double middle = (p + kZ * kZ / (2 * n)) / shrink;
  double half = kZ / shrink * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n));
  return {hits == 0 ? 0.0 : std::max(0.0, middle - half),
          hits == trials ? 1.0 : std::min(1.0, middle + half)};
}

double rate_max_of_the_unseen(std::uint64_t trials) {
  return trials <= 3 ? 1.0 : 3.0 / static_cast<double>(trials);
}

}  // namespace oxbow
