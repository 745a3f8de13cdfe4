#include "model/tuple.hpp"

#include "base/assert.hpp"

namespace oxbow {
namespace {

constexpr std::int32_t kNullLength = -1;
constexpr std::int32_t kUnsentLength = -2;

}  // namespace

FieldReader::FieldReader(std::string_view tuple) : at_(tuple.data() + 2), left_(field_count(tuple)) {}

Field FieldReader::next() {
  --left_;
  auto length = read_big_endian<std::int32_t>(at_);
  at_ += 4;
  if (length == kNullLength) return Field::null();
  if (length == kUnsentLength) return Field::unsent();
  std::string_view bytes(at_, static_cast<std::size_t>(length));
  at_ += length;
  return Field::value(bytes);
}

std::uint16_t field_count(std::string_view tuple) {
  OXBOW_ASSERT(tuple.size() >= 2, "a tuple of {} bytes has no field count", tuple.size());
  return read_big_endian<std::uint16_t>(tuple.data());
}

Field field_at(std::string_view tuple, std::size_t index) {
  FieldReader reader(tuple);
  for (; index > 0; --index) reader.next();
  return reader.next();
}

void read_fields(std::string_view tuple, std::vector<Field>& out) {
  out.clear();
  for (FieldReader reader(tuple); !reader.done();) out.push_back(reader.next());
}

bool has_unsent(std::string_view tuple) {
  for (FieldReader reader(tuple); !reader.done();)
    if (reader.next().is_unsent()) return true;
  return false;
}

Status validate_tuple(std::string_view tuple, std::uint16_t fields) {
  if (tuple.size() < 2)
    return Err(ErrorCode::malformed, "a row of {} bytes has no field count", tuple.size());
  auto count = read_big_endian<std::uint16_t>(tuple.data());
  if (count != fields)
    return Err(ErrorCode::malformed, "a row has {} fields where {} were expected", count, fields);
  std::size_t at = 2;
  for (int i = 0; i < fields; ++i) {
    if (tuple.size() - at < 4) return Err(ErrorCode::malformed, "a row ends inside field {}", i);
    auto length = read_big_endian<std::int32_t>(tuple.data() + at);
    at += 4;
    if (length < kUnsentLength) return Err(ErrorCode::malformed, "field {} has length {}", i, length);
    if (length < 0) continue;
    if (tuple.size() - at < static_cast<std::size_t>(length))
      return Err(ErrorCode::malformed, "a row ends inside field {}", i);
    at += static_cast<std::size_t>(length);
  }
  if (at != tuple.size())
    return Err(ErrorCode::malformed, "{} bytes follow the last field", tuple.size() - at);
  return {};
}

void TupleBuilder::begin(std::uint16_t fields) {
  bytes_.clear();
  append_big_endian(bytes_, fields);
}

void TupleBuilder::add(const Field& field) {
  switch (field.kind) {
    case Field::Kind::value:
      return add_value(field.bytes);
    case Field::Kind::null:
      return add_null();
    case Field::Kind::unsent:
      return add_unsent();
  }
}

void TupleBuilder::add_value(std::string_view bytes) {
  add_length(static_cast<std::int32_t>(bytes.size()));
  bytes_.append(bytes);
}

void TupleBuilder::add_null() {
  add_length(kNullLength);
}
void TupleBuilder::add_unsent() {
  add_length(kUnsentLength);
}
void TupleBuilder::add_length(std::int32_t length) {
  append_big_endian(bytes_, length);
}

std::string make_tuple_bytes(std::span<const Field> fields) {
  TupleBuilder builder;
  builder.begin(static_cast<std::uint16_t>(fields.size()));
  for (const auto& field : fields) builder.add(field);
  return builder.take();
}

}  // namespace oxbow
