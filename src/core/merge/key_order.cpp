#include "core/merge/key_order.hpp"

#include <algorithm>
#include <array>

#include "base/assert.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::int64_t signed_value(std::string_view bytes) {
  switch (bytes.size()) {
    case 2:
      return read_big_endian<std::int16_t>(bytes.data());
    case 4:
      return read_big_endian<std::int32_t>(bytes.data());
    case 8:
      return read_big_endian<std::int64_t>(bytes.data());
  }
  OXBOW_ASSERT(false, "an integer key has {} bytes", bytes.size());
}

template <class T>
int three_way(T a, T b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

}  // namespace

std::optional<KeyOrder> KeyOrder::of(const std::vector<KeyColumn>& key) {
  KeyOrder order;
  for (const auto& column : key) {
    const Type& type = base_type(column.type);
    if (type.kind != TypeKind::base || !type.is_builtin()) return std::nullopt;
    if (is_one_of(type.name, {"int2", "int4", "int8", "date", "timestamp", "timestamptz"})) {
      order.columns_.push_back(Kind::signed_integer);
    } else if (type.name == "oid") {
      order.columns_.push_back(Kind::unsigned_integer);
    } else if (is_one_of(type.name, {"uuid", "bytea"}) ||
               (is_one_of(type.name, {"text", "varchar"}) && column.collation_is_c)) {
      order.columns_.push_back(Kind::bytes);
    } else {
      return std::nullopt;
    }
  }
  if (order.columns_.empty()) return std::nullopt;
  return order;
}

int KeyOrder::compare(std::string_view a, std::string_view b) const {
  FieldReader left(a), right(b);
  for (Kind kind : columns_) {
    auto x = left.next().bytes;
    auto y = right.next().bytes;
    int result = 0;
    switch (kind) {
      case Kind::signed_integer:
        result = three_way(signed_value(x), signed_value(y));
        break;
      case Kind::unsigned_integer:
        result =
            three_way(read_big_endian<std::uint32_t>(x.data()), read_big_endian<std::uint32_t>(y.data()));
        break;
      case Kind::bytes:
        result = three_way(x.compare(y), 0);
        break;
    }
    if (result != 0) return result;
  }
  return 0;
}

bool KeyOrder::contains(const KeyRange& range, std::string_view key) const {
  if (!range.lower.tuple.empty() && compare(key, range.lower.tuple) < 0) return false;
  return range.upper.tuple.empty() || compare(key, range.upper.tuple) < 0;
}

}  // namespace oxbow
