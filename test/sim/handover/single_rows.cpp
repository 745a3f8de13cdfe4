#include "sim/handover/single_rows.hpp"

#include <string_view>
#include <utility>

#include "model/tuple.hpp"

namespace oxbow::sim {
namespace {

std::size_t size_of_tuple(std::string_view tuple) {
  FieldReader fields(tuple);
  const char* end = tuple.data() + 2;
  while (!fields.done()) {
    auto field = fields.next();
    end += 4 + field.bytes.size();
  }
  return static_cast<std::size_t>(end - tuple.data());
}

RowWrite one_row_of(const RowWrite& write, std::size_t row) {
  RowWrite single;
  single.batch = write.batch;
  auto tuple = std::string_view(write.batch.tuples).substr(write.batch.offsets[row]);
  single.batch.tuples = tuple.substr(0, size_of_tuple(tuple));
  single.batch.rows = 1;
  single.batch.offsets = {0};
  single.origin = {write.origin[row]};
  return single;
}

}  // namespace

std::vector<WriteStep> single_rows(std::vector<WriteStep> steps) {
  std::vector<WriteStep> out;
  for (auto& step : steps) {
    if (const auto* write = std::get_if<RowWrite>(&step)) {
      for (std::size_t i = 0; i < write->batch.rows; ++i) out.emplace_back(one_row_of(*write, i));
    } else {
      out.push_back(std::move(step));
    }
  }
  return out;
}

}  // namespace oxbow::sim
