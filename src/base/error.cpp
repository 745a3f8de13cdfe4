#include "base/error.hpp"

#include <array>

#include "base/assert.hpp"

namespace oxbow {
namespace {

struct Entry {
  std::string_view name;
  std::string_view sentence;
  bool retryable;
  int http_status;
  int exit_code;
};

constexpr std::array kTable = {
#define X(code, text, retryable, http, exit) Entry{#code, text, retryable, http, exit},
    OXBOW_ERROR_TABLE(X)
#undef X
};

const Entry& entry(ErrorCode code) {
  auto index = static_cast<std::size_t>(code);
  OXBOW_ASSERT(index < kTable.size(), "error code {} is not in the table", index);
  return kTable[index];
}

}  // namespace

std::string_view name(ErrorCode code) {
  return entry(code).name;
}

std::optional<ErrorCode> parse_error_code(std::string_view name) {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].name == name) return static_cast<ErrorCode>(i);
  return std::nullopt;
}

std::string_view sentence(ErrorCode code) {
  return entry(code).sentence;
}
bool is_retryable(ErrorCode code) {
  return entry(code).retryable;
}
int http_status(ErrorCode code) {
  return entry(code).http_status;
}
int exit_code(ErrorCode code) {
  return entry(code).exit_code;
}

std::string to_string(const Error& error) {
  if (error.detail.empty()) return std::string(sentence(error.code));
  return std::string(sentence(error.code)) + ": " + error.detail;
}

}  // namespace oxbow
