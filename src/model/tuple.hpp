// One row as bytes, in the layout of PostgreSQL's COPY BINARY: int16 field count, then per field int32 length
// and the value in its type's binary format; length -1 is NULL. We add one length, -2: "no value sent", which
// an UPDATE carries for a large value that it did not change. A tuple with such a field never goes into a
// COPY.
//
// Rows stay in this form from the log to the new database; only a mapping that computes something looks
// inside. `TupleView` points into bytes that somebody else keeps alive; `Tuple` owns them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace oxbow {

// One value. `bytes` points into the tuple it came from and is empty unless `kind` is `value`.
struct Field {
  enum class Kind : std::uint8_t { value, null, unsent };

  Kind kind = Kind::null;
  std::string_view bytes;

  static Field null() { return {Kind::null, {}}; }
  static Field unsent() { return {Kind::unsent, {}}; }
  static Field value(std::string_view bytes) { return {Kind::value, bytes}; }

  bool is_null() const { return kind == Kind::null; }
  bool is_unsent() const { return kind == Kind::unsent; }

  friend bool operator==(const Field&, const Field&) = default;
};

// Walks the fields of a well-formed tuple from first to last.
class FieldReader {
 public:
  explicit FieldReader(std::string_view tuple);

  bool done() const { return left_ == 0; }
  Field next();  // REQUIRES: !done()

 private:
  const char* at_;
  std::uint16_t left_;
};

std::uint16_t field_count(std::string_view tuple);
Field field_at(std::string_view tuple, std::size_t index);          // linear in `index`
void read_fields(std::string_view tuple, std::vector<Field>& out);  // replaces the content of `out`
bool has_unsent(std::string_view tuple);

// Says why bytes from outside are not a tuple with `fields` fields and nothing behind them.
Status validate_tuple(std::string_view tuple, std::uint16_t fields);

// Writes a tuple field by field. REQUIRES: exactly `fields` calls between begin() and take()/view().
class TupleBuilder {
 public:
  void begin(std::uint16_t fields);
  void add(const Field& field);
  void add_value(std::string_view bytes);
  void add_null();
  void add_unsent();

  std::string_view view() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  void add_length(std::int32_t length);

  std::string bytes_;
};

std::string make_tuple_bytes(std::span<const Field> fields);

// Big-endian integers, as both the log and COPY BINARY carry them.
template <class T>
T read_big_endian(const char* at) {
  T value;
  std::char_traits<char>::copy(reinterpret_cast<char*>(&value), at, sizeof value);
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}

template <class T>
void append_big_endian(std::string& out, T value) {
  T swapped = read_big_endian<T>(reinterpret_cast<const char*>(&value));
  out.append(reinterpret_cast<const char*>(&swapped), sizeof swapped);
}

}  // namespace oxbow
