// One walk over two JSON bodies in lock-step that finds where they differ. Nothing is built: while members
// come in the same order, both texts are read once, and stretches of equal bytes only once for both. Where
// the order differs, the new side's members of that one object are listed and looked up by name. One walk per
// comparison; it points into both bodies and into the rules.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/parity/json_scanner.hpp"
#include "core/parity/limits.hpp"
#include "core/parity/rules.hpp"
#include "core/parity/signature.hpp"
#include "model/comparison.hpp"

namespace oxbow {

class JsonWalk {
 public:
  JsonWalk(std::string_view legacy, std::string_view new_side, const CompareRules& rules,
           const ParityLimits& limits);

  // False if the bodies cannot be compared; then fault() and fault_side() say why. Call it once.
  bool run();

  std::vector<AnswerDifference> take_differences() { return std::move(differences_); }
  std::uint64_t difference_count() const { return count_; }
  std::uint64_t differences_untold() const { return untold_; }
  SkipReason reason() const;  // REQUIRES: run() was false

 private:
  // A place in both bodies.
  struct Place {
    const char* legacy;
    const char* fresh;  // on the new side
  };
  // How a value was reached; lives on the stack of the walk.
  struct Step {
    const Step* up = nullptr;
    std::string_view name = {};  // as spelled, if it is a member
    std::size_t index = 0;
    bool is_element = false;
    mutable std::optional<SignatureHash> signature = {};  // once something below it differs
  };
  // A member of an object, or an element of an array, that was listed to be matched.
  struct Part {
    std::string_view name = {};  // as spelled, without quotes
    std::uint32_t hash = 0;      // of the name
    bool taken = false;
    const char* begin = nullptr;  // of the value
    const char* end = nullptr;

    std::string_view text() const { return {begin, end}; }
  };
  struct Parts {  // consecutive ones in parts_
    std::size_t begin = 0;
    std::size_t end = 0;
    const char* behind = nullptr;  // where the object or array ends
    bool by_hash = false;          // sorted by the hash of their names

    std::size_t size() const { return end - begin; }
  };
  struct Ahead {  // whether another member or element follows
    bool legacy = true;
    bool fresh = true;
  };
  struct Object {  // one being walked, on both sides
    Place start;
    std::size_t hashes;  // where its names begin in hashes_
    int depth;
  };
  struct Seen {
    ValueClass value_class = ValueClass::none;
    std::string_view text;
  };
  struct Mark {
    std::size_t told;
    std::uint64_t count;
    std::uint64_t untold;
  };

  // Each leaves `at` behind what it read; false stops the walk.
  bool value(Place& at, const Step* step, RuleState state, int depth);
  bool plain_value(Place& at, const Step* step, RuleState state, int depth);
  bool ruled_value(Place& at, const Step* step, RuleState state, int depth);
  bool ruled_scalar(Place& at, const Step* step, RuleState state);
  bool string(Place& at, const Step* step);
  bool number(Place& at, const Step* step);
  bool literal(Place& at, const Step* step);
  bool of_two_classes(Place& at, const Step* step, int depth);
  bool skip_both(Place& at, int depth);

  bool object(Place& at, const Step* step, RuleState state, int depth);
  bool members_in_order(Place& at, const Object& object, const Step* step, RuleState state);
  bool member_value(Place& at, const Step& step, RuleState state, int depth);
  bool members_by_name(Place& at, Ahead ahead, const Object& object, const Step* step, RuleState state);
  const char* match_member(const char* at, std::size_t index, const Parts& fresh, const Step* step,
                           RuleState state, int depth);
  const char* value_of_member(const char* begin, std::string_view fresh, const Step* step, RuleState state,
                              int depth);
  bool tell_extra_members(const Parts& fresh, const Step* step, RuleState state);
  bool list_members(JsonScanner& scanner, const char* at, bool more, int depth, Parts& parts);
  Part* find_member(const Parts& parts, std::size_t hint,
                    std::string_view name);  // null with a reason_: too long
  bool names_differ(JsonScanner& scanner, const char* object, std::size_t hashes, int depth);
  bool names_differ_with(const Parts& fresh, const Object& object);

  bool array(Place& at, const Step* step, RuleState state, int depth);
  bool tell_length(Place& at, Ahead ahead, std::size_t count, Mark mark, const Step* step, int depth);
  void note_unequal(Place from, Place at);
  bool tell_order(Place start, Place& at, std::size_t noted, Mark mark, const Step* step, int depth);
  bool is_elsewhere(std::size_t noted, int depth);
  bool matched_array(Place& at, const ReadyRule& rule, const Step* step, RuleState state, int depth);
  bool match_by_key(const Parts& legacy, const Parts& fresh, const ReadyRule& rule, const Step* step,
                    RuleState element, int depth);
  bool match_by_hash(const Parts& legacy, const Parts& fresh, const Step* step, int depth);
  bool match_by_trial(const Parts& legacy, const Parts& fresh, RuleState element, int depth);
  bool try_partners(std::size_t part, const Parts& legacy, const Parts& fresh, RuleState element, int depth);
  bool compare_partners(const std::vector<std::size_t>& partners, const Parts& legacy, const Parts& fresh,
                        const Step* step, RuleState element, int depth);
  bool tell_unmatched(const Parts& legacy, const Parts& fresh, const Step* step);
  bool list_elements(JsonScanner& scanner, const char* at, int depth, Parts& parts);
  bool list_keys(JsonScanner& scanner, const Parts& parts, const std::vector<std::string>& names, int depth,
                 std::vector<std::string>& keys);
  std::vector<std::string> names_on_new_side(const std::vector<std::string>& names, RuleState element);
  bool compare_parts(const Part& legacy, const Part& fresh, const Step* step, RuleState state, int depth);
  bool equal_in_silence(const Part& legacy, const Part& fresh, RuleState state, int depth, bool& equal);

  void blanks(Place& at);
  bool colon(Place& at);
  bool opening(Place& at, char closing, Ahead& ahead);
  bool separator(Place& at, char closing, Ahead& ahead);
  bool is_twin(const char* end) const { return end <= twin_until_; }
  void look_ahead(Place at);  // finds how far the bytes from here on are the same
  void step_both(Place& at, const char* legacy_end) {
    at.fresh += legacy_end - at.legacy;
    at.legacy = legacy_end;
  }

  void reserve_parts() {
    constexpr std::size_t kUsual = 32;
    if (parts_.capacity() == 0) parts_.reserve(kUsual);
  }
  bool list(const Part& part);
  bool charge(std::size_t bytes);  // for reading again
  bool tell(DifferenceKind kind, const Step* step, Seen legacy,
            Seen fresh);  // false in silence: enough is known
  Mark mark() const { return {differences_.size(), count_, untold_}; }
  bool is_told(SignatureHash signature, DifferenceKind kind, const Seen& legacy, const Seen& fresh) const;
  SignatureHash signature_of(const Step* step);
  void append_path(const Step* step, DifferencePath& path);
  void forget_since(Mark mark);

  JsonScanner legacy_;
  JsonScanner fresh_;
  const CompareRules& rules_;
  const ParityLimits& limits_;

  const char* twin_until_ = nullptr;  // legacy's bytes from the place up to here are the new side's, too
  const char* horizon_ = nullptr;     // look_ahead() sees no further in legacy's body

  CompareRules::Stack states_;
  std::vector<std::uint32_t> hashes_;  // of the names of all open objects, one object behind the other
  std::vector<Part> parts_;            // of objects and arrays being matched
  std::string scratch_;

  std::vector<AnswerDifference> differences_;
  std::vector<SignatureHash> signatures_;  // of `differences_`
  std::uint64_t count_ = 0;
  std::uint64_t untold_ = 0;
  bool silent_ = false;  // the first difference is enough
  std::size_t rework_left_;
  std::optional<SkipReason> reason_;
};

// ---- the hot part ----

inline void JsonWalk::blanks(Place& at) {
  if (at.legacy < twin_until_) {
    if (static_cast<unsigned char>(*at.legacy) > ' ') return;
    const char* end = legacy_.skip_blanks(at.legacy);
    if (end < twin_until_) return step_both(at, end);
  }
  at = {legacy_.skip_blanks(at.legacy), fresh_.skip_blanks(at.fresh)};
  look_ahead(at);
}

inline bool JsonWalk::colon(Place& at) {
  blanks(at);
  if (at.legacy < twin_until_ && *at.legacy == ':') {
    step_both(at, at.legacy + 1);
    blanks(at);
    return true;
  }
  const char* legacy = legacy_.scan_colon(at.legacy);
  const char* fresh = fresh_.scan_colon(at.fresh);
  if (legacy == nullptr || fresh == nullptr) return false;
  at = {legacy, fresh};
  look_ahead(at);
  return true;
}

// Steps behind the bracket that opens an object or array, and behind the closing one where that follows.
inline bool JsonWalk::opening(Place& at, char closing, Ahead& ahead) {
  at = {at.legacy + 1, at.fresh + 1};
  blanks(at);
  ahead = {at.legacy == legacy_.end() || *at.legacy != closing,
           at.fresh == fresh_.end() || *at.fresh != closing};
  if (!ahead.legacy) ++at.legacy;
  if (!ahead.fresh) ++at.fresh;
  return ahead.legacy || ahead.fresh;
}

inline bool JsonWalk::separator(Place& at, char closing, Ahead& ahead) {
  blanks(at);
  if (at.legacy < twin_until_ && *at.legacy == ',') {
    ahead = {};
    step_both(at, at.legacy + 1);
    blanks(at);
    return true;
  }
  const char* legacy = legacy_.scan_separator(at.legacy, closing, ahead.legacy);
  if (legacy == nullptr) return false;
  if (is_twin(legacy)) {
    ahead.fresh = ahead.legacy;
    step_both(at, legacy);
  } else {
    const char* fresh = fresh_.scan_separator(at.fresh, closing, ahead.fresh);
    if (fresh == nullptr) return false;
    at = {legacy, fresh};
    look_ahead(at);
  }
  if (ahead.legacy && ahead.fresh) blanks(at);
  return true;
}

}  // namespace oxbow
