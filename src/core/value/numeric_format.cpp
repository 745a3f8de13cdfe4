#include "core/value/numeric_format.hpp"

#include <algorithm>
#include <cstdint>

#include "model/tuple.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kHeader = 8;
constexpr int kGroup = 4;  // decimal digits in one base-10000 digit

constexpr std::uint16_t kPositive = 0x0000;
constexpr std::uint16_t kNegative = 0x4000;
constexpr std::uint16_t kNan = 0xC000;
constexpr std::uint16_t kInfinity = 0xD000;
constexpr std::uint16_t kNegativeInfinity = 0xF000;

// The server sends a piece of its own header as the scale of an infinity; we send the same to be byte-equal.
constexpr std::int16_t kScaleOfInfinity = 32;

std::string header(std::size_t count, std::int64_t weight, std::uint16_t sign, int scale) {
  std::string out;
  out.reserve(kHeader + count * 2);
  append_big_endian(out, static_cast<std::int16_t>(count));
  append_big_endian(out, static_cast<std::int16_t>(weight));
  append_big_endian(out, sign);
  append_big_endian(out, static_cast<std::int16_t>(scale));
  return out;
}

Result<std::string> read_groups(std::string_view groups) {
  std::string digits(groups.size() * 2, '0');
  for (std::size_t i = 0; i < groups.size(); i += 2) {
    auto group = read_big_endian<std::uint16_t>(groups.data() + i);
    if (group > 9999) return Err(ErrorCode::malformed, "a numeric has the digit {}, above 9999", group);
    for (std::size_t at = i * 2 + kGroup; group != 0; group /= 10)
      digits[--at] = static_cast<char>('0' + group % 10);
  }
  return digits;
}

}  // namespace

Result<Decimal> decode_numeric(std::string_view binary) {
  if (binary.size() < kHeader)
    return Err(ErrorCode::malformed, "a numeric has {} bytes, not 8 or more", binary.size());
  auto count = read_big_endian<std::uint16_t>(binary.data());
  auto weight = read_big_endian<std::int16_t>(binary.data() + 2);
  auto sign = read_big_endian<std::uint16_t>(binary.data() + 4);
  int scale = read_big_endian<std::int16_t>(binary.data() + 6);
  binary.remove_prefix(kHeader);
  if (binary.size() != count * 2u)
    return Err(ErrorCode::malformed, "a numeric of {} digits has {} bytes of them", count, binary.size());
  switch (sign) {
    case kNan:
      return Decimal::nan();
    case kInfinity:
      return Decimal::infinity();
    case kNegativeInfinity:
      return Decimal::infinity(true);
    case kPositive:
    case kNegative:
      break;
    default:
      return Err(ErrorCode::malformed, "a numeric has the sign {:#06x}", sign);
  }
  if (scale < 0 || scale > Decimal::kScaleMax)
    return Err(ErrorCode::malformed, "a numeric has the scale {}", scale);

  auto digits = TRY(read_groups(binary));
  // How many of the digits stand behind the point, if the last group's own end is the last digit.
  int fraction = kGroup * (static_cast<int>(count) - 1 - weight);
  if (fraction > scale) {
    auto cut = std::min(static_cast<std::size_t>(fraction - scale), digits.size());
    if (digits.find_first_not_of('0', digits.size() - cut) != std::string::npos)
      return Err(ErrorCode::malformed, "a numeric of scale {} has digits beyond it", scale);
    digits.resize(digits.size() - cut);
  } else if (!digits.empty()) {
    digits.append(static_cast<std::size_t>(scale - fraction), '0');
  }
  return Decimal::make(sign == kNegative, std::move(digits), scale);
}

std::string encode_numeric(const Decimal& value) {
  switch (value.kind()) {
    case Decimal::Kind::nan:
      return header(0, 0, kNan, 0);
    case Decimal::Kind::infinity:
      return header(0, 0, kInfinity, kScaleOfInfinity);
    case Decimal::Kind::negative_infinity:
      return header(0, 0, kNegativeInfinity, kScaleOfInfinity);
    case Decimal::Kind::finite:
      break;
  }
  if (value.is_zero()) return header(0, 0, kPositive, value.scale());

  const auto& digits = value.digits();
  // Groups are aligned to the point, so the first one may be short at its front and the last one at its end.
  auto integer_digits = static_cast<std::int64_t>(digits.size()) - value.scale();
  std::int64_t weight =
      integer_digits > 0 ? (integer_digits - 1) / kGroup : -((-integer_digits) / kGroup) - 1;
  auto lead = static_cast<std::size_t>((weight + 1) * kGroup - integer_digits);
  auto significant = digits.find_last_not_of('0') + 1;
  auto count = (lead + significant + kGroup - 1) / kGroup;

  auto out = header(count, weight, value.is_negative() ? kNegative : kPositive, value.scale());
  for (std::size_t group = 0; group < count; ++group) {
    std::uint16_t number = 0;
    for (std::size_t i = group * kGroup; i < (group + 1) * kGroup; ++i) {
      char digit = i < lead || i - lead >= significant ? '0' : digits[i - lead];
      number = static_cast<std::uint16_t>(number * 10 + (digit - '0'));
    }
    append_big_endian(out, number);
  }
  return out;
}

Result<Decimal> fit_numeric(const Decimal& value, std::int32_t modifier) {
  constexpr std::int32_t kModifierOffset = 4;
  if (modifier < kModifierOffset || value.kind() == Decimal::Kind::nan) return value;
  auto packed = modifier - kModifierOffset;
  int precision = (packed >> 16) & 0xffff;
  int scale = ((packed & 0x7ff) ^ 1024) - 1024;  // eleven bits with a sign
  if (!value.is_finite()) {
    return Err(ErrorCode::row_rejected, "numeric({},{}) cannot hold {}", precision, scale, to_string(value));
  }
  auto fitted = TRY(value.with_scale(std::max(scale, 0)));
  if (fitted.is_zero()) return fitted;
  auto integer_digits = static_cast<std::int64_t>(fitted.digits().size()) - fitted.scale();
  auto zeros = fitted.digits().size() - 1 - fitted.digits().find_last_not_of('0');
  if (integer_digits > precision - scale || (scale < 0 && zeros < static_cast<std::size_t>(-scale))) {
    return Err(ErrorCode::row_rejected, "{} does not fit in numeric({},{})", to_string(value).substr(0, 60),
               precision, scale);
  }
  return fitted;
}

}  // namespace oxbow
