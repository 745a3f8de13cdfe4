// Reads numbers and strings from bytes that came from outside. A read behind the end gives zero or nothing
// and marks the reader as short; whoever uses it asks once at the end. Points into bytes that somebody else
// keeps alive.
#pragma once

#include <cstddef>
#include <string_view>

#include "model/tuple.hpp"

namespace oxbow {

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool is_short() const { return short_; }
  std::string_view rest() const { return rest_; }

  template <class T>
  T number() {
    auto taken = bytes(sizeof(T));
    return taken.size() == sizeof(T) ? read_big_endian<T>(taken.data()) : T{};
  }

  std::string_view bytes(std::size_t count) {
    if (count > rest_.size()) {
      short_ = true;
      rest_ = {};
      return {};
    }
    auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  // Up to a zero byte, which is taken too.
  std::string_view zero_terminated() {
    auto taken = bytes(rest_.find('\0'));
    if (!short_) rest_.remove_prefix(1);
    return taken;
  }

 private:
  std::string_view rest_;
  bool short_ = false;
};

}  // namespace oxbow
