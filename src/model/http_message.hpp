// The head of an HTTP message as values. Its views point into the buffer of whoever received it, so it lives
// as long as that stays untouched.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace oxbow {

struct HeaderField {
  std::string_view name;  // as it came: compare with same_field_name()
  std::string_view value;

  friend bool operator==(const HeaderField&, const HeaderField&) = default;
};

using HeaderFields = std::vector<HeaderField>;

// Field names are ASCII and have no case.
constexpr bool same_field_name(std::string_view one, std::string_view other) {
  if (one.size() != other.size()) return false;
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  for (std::size_t i = 0; i < one.size(); ++i)
    if (lower(one[i]) != lower(other[i])) return false;
  return true;
}

// The value of the first field of this name.
constexpr std::optional<std::string_view> find_field(const HeaderFields& fields, std::string_view name) {
  for (const auto& field : fields)
    if (same_field_name(field.name, name)) return field.value;
  return std::nullopt;
}

struct RequestHead {
  std::string_view method;
  std::string_view target;  // origin form: "/payments/4711?full=1", or "*"
  std::string_view host;    // of an absolute-form target, else of the field Host
  int minor_version = 1;    // of HTTP/1
  HeaderFields fields;

  std::string_view path() const { return target.substr(0, target.find('?')); }
  std::string_view query() const {
    auto at = target.find('?');
    return at == std::string_view::npos ? std::string_view() : target.substr(at + 1);
  }
};

struct ResponseHead {
  int status = 200;
  std::string_view reason;
  int minor_version = 1;
  HeaderFields fields;
};

}  // namespace oxbow
