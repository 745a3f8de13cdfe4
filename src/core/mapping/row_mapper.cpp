#include "core/mapping/row_mapper.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/assert.hpp"
#include "core/mapping/json_text.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kLengthSize = 4;

// Source fields that stand next to each other and are wanted in the same order, as one piece of bytes; or one
// program.
struct Stretch {
  std::size_t first_source = 0;
  std::size_t count = 0;  // 0: run `program`
  const FieldProgram* program = nullptr;
};

std::vector<Stretch> stretches_of(const std::vector<FieldProgram>& programs,
                                  const std::vector<std::size_t>& fields) {
  std::vector<Stretch> stretches;
  for (auto field : fields) {
    const auto& program = programs[field];
    if (!program.is_pass_through()) {
      stretches.push_back({.program = &program});
      continue;
    }
    auto source = program.reads.front();
    bool continues = !stretches.empty() && stretches.back().count > 0 &&
                     stretches.back().first_source + stretches.back().count == source;
    if (continues) {
      ++stretches.back().count;
    } else {
      stretches.push_back({.first_source = source, .count = 1});
    }
  }
  return stretches;
}

// Where each field of a tuple begins, its length included, and where the last one ends.
Status find_fields(std::string_view tuple, std::size_t fields, std::vector<std::size_t>& begins) {
  if (tuple.size() < 2 || field_count(tuple) != fields)
    return Err(ErrorCode::malformed, "a row does not have the {} fields of its table", fields);
  begins.clear();
  std::size_t at = 2;
  for (std::size_t i = 0; i < fields; ++i) {
    begins.push_back(at);
    if (tuple.size() - at < kLengthSize) return Err(ErrorCode::malformed, "a row ends inside field {}", i);
    auto length = read_big_endian<std::int32_t>(tuple.data() + at);
    at += kLengthSize;
    if (length <= 0) continue;
    if (tuple.size() - at < static_cast<std::size_t>(length))
      return Err(ErrorCode::malformed, "a row ends inside field {}", i);
    at += static_cast<std::size_t>(length);
  }
  begins.push_back(at);
  return {};
}

// Reads the fields of one source tuple by place.
class Source {
 public:
  Source(std::string_view tuple, const std::vector<std::size_t>& begins) : tuple_(tuple), begins_(begins) {}

  std::string_view bytes(std::size_t first, std::size_t count) const {
    return tuple_.substr(begins_[first], begins_[first + count] - begins_[first]);
  }

  Field operator[](std::size_t field) const {
    auto encoded = bytes(field, 1);
    auto length = read_big_endian<std::int32_t>(encoded.data());
    if (length == -1) return Field::null();
    if (length < 0) return Field::unsent();
    return Field::value(encoded.substr(kLengthSize));
  }

 private:
  std::string_view tuple_;
  const std::vector<std::size_t>& begins_;
};

// What a step makes of its fields: false for NULL, true if the value was appended to `out`.
using Made = Result<bool>;

Made run(const ConvertField& step, std::span<const Field> fields, std::string& out) {
  TRY(convert(step.conversion, fields[0].bytes, out));
  return true;
}

Made run(const ScaleField& step, std::span<const Field> fields, std::string& out) {
  auto number = TRY(decode_decimal(step.from, fields[0].bytes));
  auto scaled = TRY(step.divides ? divide(number, step.factor) : multiply(number, step.factor));
  auto encoded = encode_decimal(step.to, scaled);
  if (!encoded) {
    return Err(ErrorCode::row_rejected, "{} {} {} does not fit {} exactly", to_string(number),
               step.divides ? "divided by" : "times", to_string(step.factor), step.to.sql);
  }
  out += *encoded;
  return true;
}

Made run(const LookUpField& step, std::span<const Field> fields, std::string& out) {
  auto image = step.images.find(fields[0].bytes);
  if (image == step.images.end()) {
    auto text = TRY(binary_to_text(step.from, fields[0].bytes));
    return Err(ErrorCode::row_rejected, "the map has no value for {}", shown(text));
  }
  out += image->second;
  return true;
}

// One part of a text that is cut at its first separators; nothing if there are too few.
std::optional<std::string_view> part_of(std::string_view text, std::string_view separator, std::size_t part,
                                        std::size_t parts) {
  std::string_view wanted;
  for (std::size_t i = 0; i < parts; ++i) {
    bool last = i + 1 == parts;
    auto end = last ? text.size() : text.find(separator);
    if (end == std::string_view::npos) return std::nullopt;
    if (i == part) wanted = text.substr(0, end);
    if (!last) text.remove_prefix(end + separator.size());
  }
  return wanted;
}

Made run(const ConcatField& step, std::span<const Field> fields, std::string& out) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < fields.size(); ++i)
    parts.push_back(TRY(binary_to_text(step.from[i], fields[i].bytes)));
  auto whole = fmt::format("{}", fmt::join(parts, step.separator));
  for (std::size_t i = 0; step.comes_apart && i < parts.size(); ++i) {
    if (part_of(whole, step.separator, i, parts.size()) == parts[i]) continue;
    return Err(ErrorCode::row_rejected, "{} joined at {} would be cut into other parts again", shown(whole),
               shown(step.separator));
  }
  TRY(convert(step.conversion, whole, out));
  return true;
}

Made run(const SplitField& step, std::span<const Field> fields, std::string& out) {
  auto text = TRY(binary_to_text(step.from, fields[0].bytes));
  auto wanted = part_of(text, step.separator, step.part, step.parts);
  if (!wanted)
    return Err(ErrorCode::row_rejected, "{} has fewer than {} parts between {}", shown(text), step.parts,
               shown(step.separator));
  TRY(convert(step.conversion, *wanted, out));
  return true;
}

Made run(const JsonField& step, std::span<const Field> fields, std::string& out) {
  auto document = fields[0].bytes;
  if (step.is_jsonb) {
    if (document.empty()) return Err(ErrorCode::malformed, "a jsonb of 0 bytes");
    document.remove_prefix(1);
  } else if (names_nul_character(document)) {
    return Err(ErrorCode::row_rejected,
               "no value can be taken out of a json that names the character U+0000");
  }
  auto text = TRY(find_json_text(document, step.path));
  if (!text) return false;
  TRY(convert(step.conversion, *text, out));
  return true;
}

Made run(const ConstantField& step, std::span<const Field>, std::string& out) {
  out += step.bytes;
  return true;
}

Made run(const ComputedField&, std::span<const Field>, std::string&) {
  return false;
}

}  // namespace

struct RowMapper::Impl {
  const TableMapping& mapping;
  std::vector<Stretch> row;
  std::vector<Stretch> key;
  std::vector<std::size_t> begins;  // scratch
  std::vector<Field> fields;        // scratch

  explicit Impl(const TableMapping& table) : mapping(table) {
    std::vector<std::size_t> all(mapping.programs.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    row = stretches_of(mapping.programs, all);
    key = stretches_of(mapping.programs, mapping.target_key_fields);
  }

  Status make(const std::vector<Stretch>& stretches, std::size_t count, std::string_view tuple,
              std::string& out) {
    TRY(find_fields(tuple, mapping.source_columns.size(), begins));
    auto before = out.size();
    append_big_endian(out, static_cast<std::uint16_t>(count));
    Source source(tuple, begins);
    for (const auto& stretch : stretches) {
      if (stretch.count > 0) {
        out += source.bytes(stretch.first_source, stretch.count);
        continue;
      }
      if (auto made = append_field(*stretch.program, source, out); !made) {
        out.resize(before);
        return made;
      }
    }
    return {};
  }

  Status append_field(const FieldProgram& program, const Source& source, std::string& out) {
    constexpr std::int32_t kNull = -1, kUnsent = -2;
    fields.clear();
    for (auto place : program.reads) fields.push_back(source[place]);
    if (std::ranges::any_of(fields, &Field::is_unsent)) {
      append_big_endian(out, kUnsent);
      return {};
    }
    auto length_at = out.size();
    append_big_endian(out, kNull);
    bool computed = std::holds_alternative<ComputedField>(program.step);
    if (computed || std::ranges::any_of(fields, &Field::is_null)) return check_nulls(program);

    auto made = std::visit([&](const auto& step) { return run(step, fields, out); }, program.step);
    if (!made) {
      return Err(made.error().code, "{} of {}: {}", program.column, to_string(mapping.target.name),
                 made.error().detail);
    }
    if (*made) write_length(out, length_at);
    return {};
  }

  // Some values without the others would be lost in a NULL.
  Status check_nulls(const FieldProgram& program) const {
    const auto* concat = std::get_if<ConcatField>(&program.step);
    if (!concat || !concat->comes_apart || std::ranges::all_of(fields, &Field::is_null)) return {};
    return Err(ErrorCode::row_rejected, "{} of {}: some of its parts are NULL and some are not",
               program.column, to_string(mapping.target.name));
  }

  // The bytes behind the length at `at` are the value.
  static void write_length(std::string& out, std::size_t at) {
    std::string length;
    append_big_endian(length, static_cast<std::int32_t>(out.size() - at - kLengthSize));
    out.replace(at, kLengthSize, length);
  }
};

RowMapper::RowMapper(const TableMapping& mapping) : impl_(std::make_unique<Impl>(mapping)) {}
RowMapper::~RowMapper() = default;
RowMapper::RowMapper(RowMapper&&) noexcept = default;

Status RowMapper::map(std::string_view source, std::string& out) {
  return impl_->make(impl_->row, impl_->mapping.programs.size(), source, out);
}

Status RowMapper::map_key(std::string_view source, std::string& out) {
  if (impl_->mapping.source_key.empty()) return map(source, out);
  return impl_->make(impl_->key, impl_->mapping.target_key_fields.size(), source, out);
}

}  // namespace oxbow
