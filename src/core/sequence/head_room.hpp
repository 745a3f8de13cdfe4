// How many handovers the numbers of a column still last, by the rule that each of them follows. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/numbered_column.hpp"

namespace oxbow {

inline constexpr std::uint64_t kRoundsCountedMax = 10'000, kRoundsFew = 100;

// Handovers there and back, one after the other, of whatever cohort, until one would find no number that
// fits; counted up to kRoundsCountedMax. Numbers that users take meanwhile come on top. `legacy` and
// `new_side` are the same column on either side.
std::uint64_t rounds_left(NumberedColumn legacy, NumberedColumn new_side);

inline constexpr std::string_view kHeadRoomRemedy =
    "give the smaller column a larger type, or its sequence a larger bound, in time";

// "public.payments.id and ledger.payment.id have numbers for 2,167 more handovers there and back"
std::string head_room_sentence(const NumberedColumn& legacy, const NumberedColumn& new_side);

}  // namespace oxbow
