// The result of a statement. Owns libpq's memory; views into it live as long as it does.
#pragma once

#include <libpq-fe.h>

#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow::postgres {

class Rows {
 public:
  Rows() = default;
  explicit Rows(PGresult* result) : result_(result) {}

  int size() const { return PQntuples(result_.get()); }
  bool empty() const { return size() == 0; }
  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }

  // Empty for NULL.
  std::string_view view(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  std::string text(int row, int column) const { return std::string(view(row, column)); }
  bool boolean(int row, int column) const { return view(row, column) == "t"; }

  // 0 for NULL.
  template <class T = std::int64_t>
  T number(int row, int column) const {
    auto from = view(row, column);
    T value{};
    std::from_chars(from.data(), from.data() + from.size(), value);
    return value;
  }

  // Rows that the statement inserted, changed, removed or copied.
  std::uint64_t affected() const {
    std::string_view from = PQcmdTuples(result_.get());
    std::uint64_t value = 0;
    std::from_chars(from.data(), from.data() + from.size(), value);
    return value;
  }

  const PGresult* get() const { return result_.get(); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

}  // namespace oxbow::postgres
