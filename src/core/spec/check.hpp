// Checks a file against the grammar: kinds, keys, words. What the values mean together is not looked at here.
#pragma once

#include "core/spec/grammar.hpp"
#include "core/spec/mistake.hpp"
#include "core/spec/node.hpp"

namespace oxbow {

// Reports everything in `root` that the grammar does not allow, and every open decision.
void check_grammar(const SpecNode& root, Mistakes& mistakes);

// The form of `shape` that a value takes, as far as one can tell from its kind and its keys; null if none
// fits.
const Shape* form_of(const Shape& shape, const SpecNode& node);

}  // namespace oxbow
