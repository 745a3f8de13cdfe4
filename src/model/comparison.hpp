// What comparing the two sides' answers to one request gave. Plain values; they own their texts, so they
// outlive the answers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/side.hpp"

namespace oxbow {

// Why bodies were not compared. Where several hold, the first of this list is given.
enum class SkipReason : std::uint8_t {
  content_encoding_unsupported,  // a Content-Encoding that nobody here decodes
  undecodable_encoding,          // a broken compression, or a charset other than UTF-8
  too_large,
  not_json,  // by its Content-Type, and the bytes are not the same
  invalid_json,
  too_deep,
  duplicate_members,  // one object names a member twice, so it has no single meaning
  too_costly          // arrays to be matched element by element are too long for that
};

enum class DifferenceKind : std::uint8_t { missing, extra, type, value, order, length, status, header };

enum class ValueClass : std::uint8_t { none, null, boolean, number, string, array, object };

inline constexpr std::array<std::string_view, 8> kSkipReasonNames = {"content_encoding_unsupported",
                                                                     "undecodable_encoding",
                                                                     "too_large",
                                                                     "not_json",
                                                                     "invalid_json",
                                                                     "too_deep",
                                                                     "duplicate_members",
                                                                     "too_costly"};
inline constexpr std::array<std::string_view, 8> kDifferenceKindNames = {
    "missing", "extra", "type", "value", "order", "length", "status", "header"};
inline constexpr std::array<std::string_view, 7> kValueClassNames = {"none",   "null",  "boolean", "number",
                                                                     "string", "array", "object"};

constexpr std::string_view name(SkipReason reason) {
  return kSkipReasonNames[static_cast<std::size_t>(reason)];
}
constexpr std::string_view name(DifferenceKind kind) {
  return kDifferenceKindNames[static_cast<std::size_t>(kind)];
}
constexpr std::string_view name(ValueClass value_class) {
  return kValueClassNames[static_cast<std::size_t>(value_class)];
}

struct AnswerDifference {
  DifferenceKind kind = DifferenceKind::value;
  std::string path;            // "$.items[3].price", "status", "header.content-type"; legacy's names
  std::string signature_path;  // the same without what belongs to one answer only: "$.items[*].price"
  ValueClass legacy_class = ValueClass::none;
  ValueClass new_class = ValueClass::none;
  std::string legacy_excerpt;  // as it stands in the answer, cut to a bounded length
  std::string new_excerpt;

  friend bool operator==(const AnswerDifference&, const AnswerDifference&) = default;
};

struct SkippedBody {
  SkipReason reason = SkipReason::not_json;
  std::optional<Side> side;  // none: both, or no one side alone
  std::size_t offset = 0;    // in that side's body, counted in bytes, for invalid_json and too_deep
  std::string what;          // "a string without its closing quote", or empty

  friend bool operator==(const SkippedBody&, const SkippedBody&) = default;
};

struct AnswerComparison {
  enum class Verdict : std::uint8_t {
    byte_equal,  // the bodies are the same bytes
    equal,       // they mean the same, after the rules
    differs,
    skipped  // nothing differs in what was compared, and the bodies were not
  };

  Verdict verdict = Verdict::byte_equal;
  std::vector<AnswerDifference> differences;  // the first one of each signature, up to a limit
  std::uint64_t difference_count = 0;         // all of them, repeats too
  std::uint64_t differences_untold = 0;       // those of signatures beyond the limit
  std::optional<SkippedBody> skipped;  // set too where `differs` is the word of status or headers alone

  friend bool operator==(const AnswerComparison&, const AnswerComparison&) = default;
};

inline constexpr std::array<std::string_view, 4> kComparisonVerdictNames = {"byte_equal", "equal", "differs",
                                                                            "skipped"};

constexpr std::string_view name(AnswerComparison::Verdict verdict) {
  return kComparisonVerdictNames[static_cast<std::size_t>(verdict)];
}

}  // namespace oxbow
