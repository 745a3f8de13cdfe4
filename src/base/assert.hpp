// Broken invariants stop the process at once, in every build: going on would write wrong data.
#pragma once

#include <fmt/core.h>

#include <string_view>

namespace oxbow {

[[noreturn]] void assertion_failed(const char* file, int line, const char* condition,
                                   std::string_view message);

}  // namespace oxbow

// OXBOW_ASSERT(begin <= end, "range {}..{} is upside down", begin, end);
#define OXBOW_ASSERT(condition, ...)                                                         \
  do {                                                                                       \
    if (!(condition)) [[unlikely]]                                                           \
      ::oxbow::assertion_failed(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
  } while (false)
