// Takes out of answers what must not be kept: fields that the spec names, and what looks like a secret. The
// shape of JSON stays, so that two answers can still be laid side by side. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow {

class Redactor {
 public:
  // Paths as in rules of comparison ("$.customer.iban", "$.cards[*].holder", "$.by_id.*.name", "$..iban",
  // "header.x-account"), with everything inside of them, or bare names of members ("iban").
  explicit Redactor(std::vector<std::string> fields = {}) : fields_(std::move(fields)) {}

  // Each returns UTF-8, at most `bytes_max` bytes and three for the "…" of what was cut, at the end of a
  // character. What lies behind that in the input is not looked at, however long it is.
  std::string body(std::string_view body, std::size_t bytes_max) const;  // JSON, even cut short, or any text
  std::string value(std::string_view path, std::string_view value, std::size_t bytes_max) const;
  std::string text(std::string_view text, std::size_t bytes_max) const;

  bool hides(std::string_view path) const;  // the value at this path, or one that it is part of

 private:
  std::vector<std::string> fields_;
};

}  // namespace oxbow
