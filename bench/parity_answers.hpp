// Pairs of answers to compare: an order with its lines, as a service would print it, and the same order as
// another service does. Made by rule, so that each run measures the same bytes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace oxbow {

struct AnswerPair {
  std::string kind;
  std::string legacy;
  std::string new_side;
  bool equal = true;
};

// About `bytes` each.
std::vector<AnswerPair> answer_pairs(std::size_t bytes);

}  // namespace oxbow
