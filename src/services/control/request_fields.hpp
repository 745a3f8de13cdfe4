// The fields of a command's JSON body: each is asked for by name, and what nobody asked for is a mistake.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace oxbow {

class RequestFields {
 public:
  // An empty body has no fields. `malformed` if it is no JSON object.
  static Result<RequestFields> parse(std::string_view body);

  RequestFields(RequestFields&&) noexcept;
  ~RequestFields();

  std::optional<std::string> text(std::string_view field);
  std::optional<std::uint64_t> number(std::string_view field);
  bool flag(std::string_view field);  // false if it is not there

  // The first mistake: a field of another type, or one that was never asked for.
  Status finish() const;

 private:
  struct Impl;
  explicit RequestFields(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow
