// Floating-point numbers as text, exactly as PostgreSQL prints them with extra_float_digits 1: the fewest
// digits that read back as the same number.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace oxbow {

std::string float_text(double value);
std::string float_text(float value);

// None if the text is no number or is out of the type's range.
template <class Float>
std::optional<Float> parse_float(std::string_view text);

}  // namespace oxbow
