#include "core/lifecycle/record.hpp"

#include <charconv>
#include <utility>

namespace oxbow {
namespace {

// Only what JSON demands is escaped; everything else stays as it is, whatever its encoding.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_value(std::string& out, const RecordValue& value) {
  if (auto* text = std::get_if<std::string>(&value)) {
    append_quoted(out, *text);
  } else if (auto* number = std::get_if<std::uint64_t>(&value)) {
    out += std::to_string(*number);
  } else {
    out += '[';
    bool first = true;
    for (const auto& item : std::get<std::vector<std::string>>(value)) {
      if (!std::exchange(first, false)) out += ',';
      append_quoted(out, item);
    }
    out += ']';
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Record> parse() {
    Record record;
    TRY(expect('{'));
    while (!accept('}')) {
      if (!record.empty()) TRY(expect(','));
      auto key = TRY(quoted());
      TRY(expect(':'));
      auto parsed = TRY(value());
      record.insert_or_assign(std::move(key), std::move(parsed));
    }
    if (at_ != text_.size()) return bad("the end");
    return record;
  }

 private:
  std::unexpected<Error> bad(std::string_view expected) const {
    return Err(ErrorCode::malformed, "expected {} at offset {}", expected, at_);
  }

  bool accept(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Status expect(char c) {
    if (!accept(c)) return bad(fmt::format("'{}'", c));
    return {};
  }

  Result<RecordValue> value() {
    if (at_ < text_.size() && text_[at_] == '"') return RecordValue(TRY(quoted()));
    if (accept('[')) return RecordValue(TRY(list()));
    std::uint64_t number = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
    if (error != std::errc{}) return bad("a value");
    at_ = static_cast<std::size_t>(end - text_.data());
    return RecordValue(number);
  }

  Result<std::vector<std::string>> list() {
    std::vector<std::string> items;
    while (!accept(']')) {
      if (!items.empty()) TRY(expect(','));
      items.push_back(TRY(quoted()));
    }
    return items;
  }

  Result<std::string> quoted() {
    TRY(expect('"'));
    std::string text;
    while (!accept('"')) {
      if (at_ >= text_.size()) return bad("'\"'");
      if (accept('\\')) {
        text += TRY(escaped());
      } else {
        text += text_[at_++];
      }
    }
    return text;
  }

  Result<char> escaped() {
    if (accept('"')) return '"';
    if (accept('\\')) return '\\';
    unsigned code = 0;
    if (!accept('u') || at_ + 4 > text_.size()) return bad("an escape");
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, code, 16);
    if (error != std::errc{} || end != text_.data() + at_ + 4 || code >= 0x20) return bad("an escape");
    at_ += 4;
    return static_cast<char>(code);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

template <class T>
Result<T> field(const Record& record, std::string_view key) {
  auto found = record.find(key);
  if (found == record.end()) return Err(ErrorCode::malformed, "field {} is missing", key);
  auto* value = std::get_if<T>(&found->second);
  if (!value) return Err(ErrorCode::malformed, "field {} has another type", key);
  return *value;
}

}  // namespace

std::string to_canonical(const Record& record) {
  std::string out = "{";
  for (const auto& [key, value] : record) {
    if (out.size() > 1) out += ',';
    append_quoted(out, key);
    out += ':';
    append_value(out, value);
  }
  out += '}';
  return out;
}

Result<Record> parse_canonical(std::string_view text) {
  auto record = TRY(Parser(text).parse());
  if (to_canonical(record) != text) return Err(ErrorCode::malformed, "not in canonical form");
  return record;
}

Result<std::string> text_field(const Record& record, std::string_view key) {
  return field<std::string>(record, key);
}

Result<std::uint64_t> number_field(const Record& record, std::string_view key) {
  return field<std::uint64_t>(record, key);
}

Result<std::vector<std::string>> list_field(const Record& record, std::string_view key) {
  return field<std::vector<std::string>>(record, key);
}

}  // namespace oxbow
