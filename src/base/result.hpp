// A value or the reason why there is none. Expected failures travel as `Result`; broken invariants are
// assertions; exceptions come only from foreign libraries and end at the adapter that calls them.
#pragma once

#include <fmt/core.h>

#include <expected>
#include <utility>

#include "base/error.hpp"

namespace oxbow {

template <class T>
using Result = std::expected<T, Error>;

using Status = Result<void>;

// return Err(ErrorCode::not_found, "table {} is not in {}", table, database);
template <class... Args>
[[nodiscard]] std::unexpected<Error> Err(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}
[[nodiscard]] inline std::unexpected<Error> Err(ErrorCode code) {
  return std::unexpected(Error{code, {}});
}

// auto plan = TRY(make_plan(spec));   returns the error to the caller if there is one.
#define TRY(...)                                                                  \
  ({                                                                              \
    auto&& oxbow_result_ = (__VA_ARGS__);                                         \
    if (!oxbow_result_) return std::unexpected(std::move(oxbow_result_).error()); \
    *std::move(oxbow_result_);                                                    \
  })

// The same inside a coroutine: auto rows = CO_TRY(co_await source.read(range));
#define CO_TRY(...)                                                                  \
  ({                                                                                 \
    auto&& oxbow_result_ = (__VA_ARGS__);                                            \
    if (!oxbow_result_) co_return std::unexpected(std::move(oxbow_result_).error()); \
    *std::move(oxbow_result_);                                                       \
  })

}  // namespace oxbow
