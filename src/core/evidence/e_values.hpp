// Tests that may be looked at after every request and still keep their level. Each returns an e-value: a
// number that is at most 1 on average, at whatever moment one stops, as long as nothing is wrong; so seeing
// 1/level or more has a probability of at most `level`. As logarithms, because they grow without bound. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace oxbow {

// Of requests answered by new once and by legacy twice, those in which only new, or only legacy's second
// answer, differed from legacy's first. Under "new is as noisy as legacy" either is as probable. The e-value
// is 2^n times the mean of p^only_new (1-p)^only_twin over all p from 1/2 to 1.
double log_e_value(std::uint64_t only_new, std::uint64_t only_twin);

// Evidence against "new differs in at least `margin` of all requests more often than legacy does": large when
// the excess is proven to be below `margin`. `ties` are pairs in which both or neither differed.
double log_e_value_of_equality(std::uint64_t only_new, std::uint64_t only_twin, std::uint64_t ties,
                               double margin);

// Which hypotheses fall (indices into `log_e`, largest first) so that at most `level` of them are false
// alarms on average, whatever their dependence: e-BH (Wang and Ramdas, "False discovery rate control with
// e-values"). `others` were looked at as well and stand.
std::vector<std::size_t> rejected_by_e_bh(std::span<const double> log_e, double level,
                                          std::uint64_t others = 0);

struct Interval {
  double low = 0;
  double high = 1;

  friend bool operator==(const Interval&, const Interval&) = default;
};

// Wilson's 95 % interval of a rate; the whole of 0..1 for no trials.
Interval rate_interval(std::uint64_t hits, std::uint64_t trials);

// What never happened in `trials` happens at most this often (95 %): the rule of three.
double rate_max_of_the_unseen(std::uint64_t trials);

}  // namespace oxbow
