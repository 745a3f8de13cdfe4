// Finds a key in the JSON body of a request while it comes in, without keeping it: feed() the pieces in
// order, finish() where the body ends. Reads on behind the key, because a second member of the same name
// would be the one that counts for most services. One scanner per request; it owns the text that it found.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/routing/request_key.hpp"

namespace oxbow {

inline constexpr std::size_t kBodyLookAheadBytes = 64 << 10;

class BodyKeyScanner {
 public:
  // `path` are the members that lead to the key; it outlives the scanner. REQUIRES: path is not empty.
  explicit BodyKeyScanner(std::span<const std::string> path, KeyKind kind = KeyKind::unknown,
                          std::size_t look_ahead_bytes = kBodyLookAheadBytes);

  // False: nothing that follows can change the result.
  bool feed(std::string_view piece);

  // The body has ended.
  void finish();

  bool wants_more() const { return !done_; }

  // What is known so far; final once wants_more() is false. A key that stands behind the look-ahead is
  // `too_far`; one before it is taken, although a second one may stand behind it.
  RequestKey result() const;

 private:
  enum class Expect : std::uint8_t {
    value,
    name_or_end,
    name,
    colon,
    comma_or_end,
    value_or_end,
    nothing,
    in_string,
    in_escape,
    in_unicode,
    in_word
  };

  static constexpr std::size_t kDepthMax = 256;

  void take(char c);
  void take_between(char c);
  void take_in_string(char c);
  void take_escape(char c);
  void take_unicode(char c);
  void begin_value(char c);
  void begin_string(bool is_name);
  void open(bool object);
  void close(bool object);
  void end_string();
  void end_word();
  void value_ended();
  void keep(char c);
  void append_unit(std::uint32_t unit);
  void fail(KeyFound why);

  bool is_object() const { return depth_ > 0 && objects_[depth_ - 1]; }
  // The object that is open is the one in which the next name of the path is looked for.
  bool on_path() const { return is_object() && matched_ == depth_ - 1 && matched_ < path_.size(); }

  std::span<const std::string> path_;
  KeyKind kind_;
  std::size_t bytes_left_;
  KeyFound found_ = KeyFound::absent;
  bool done_ = false;

  Expect expect_ = Expect::value;
  std::bitset<kDepthMax> objects_;  // which of the open containers are objects; the others are arrays
  std::size_t depth_ = 0;
  std::size_t matched_ = 0;       // how many names of the path lead to the open container
  std::vector<bool> names_seen_;  // which names of the path have come already
  bool value_is_next_ = false;    // the value that follows has the name that was looked for
  bool value_is_key_ = false;     // the text that is being read is the key
  bool string_is_name_ = false;
  bool keeps_ = false;  // the text that is being read matters
  bool too_long_ = false;
  std::string text_;  // what is being read
  std::string key_;
  std::uint32_t unit_ = 0;  // of \uXXXX
  int unit_digits_ = 0;
  std::uint32_t high_surrogate_ = 0;
};

}  // namespace oxbow
