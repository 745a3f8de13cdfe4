// Numbers that must not be mixed up: an id, a count of one thing, a position. Values only.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace oxbow {

// struct TableTag; using TableId = Strong<std::uint32_t, TableTag>;
template <class T, class Tag>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(T value) : value_(value) {}

  constexpr T value() const { return value_; }

  friend constexpr auto operator<=>(Strong, Strong) = default;

 private:
  T value_{};
};

}  // namespace oxbow

template <class T, class Tag>
struct std::hash<oxbow::Strong<T, Tag>> {
  std::size_t operator()(oxbow::Strong<T, Tag> id) const noexcept { return std::hash<T>{}(id.value()); }
};
