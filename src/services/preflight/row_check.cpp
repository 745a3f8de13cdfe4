#include "services/preflight/row_check.hpp"

#include "core/cohort/cohorts.hpp"
#include "core/mapping/row_mapper.hpp"
#include "core/merge/key_order.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"

namespace oxbow {
namespace {

constexpr std::uint64_t kRowsPerRange = 200'000;

// Mapped rows that wait to be tried, with the source rows that they came from.
struct Batch {
  std::string tuples;
  std::vector<std::size_t> ends;  // of each tuple in `tuples`
  std::vector<std::string> keys;

  std::string_view part(std::size_t from, std::size_t to) const {
    auto begin = from == 0 ? 0 : ends[from - 1];
    return std::string_view(tuples).substr(begin, ends[to - 1] - begin);
  }
};

class Checker {
 public:
  Checker(const TableMapping& mapping, SnapshotReader& reader, RowTrial& trial)
      : mapping_(mapping), reader_(reader), trial_(trial), mapper_(mapping) {
    check_.legacy = mapping.source;
    check_.new_side = mapping.target.name;
  }

  Task<void> check_range(KeyRange range, const RowCheckProgress& progress) {
    CO_TRY(co_await reader_.begin({mapping_.source}));
    RangeRead read{.table = mapping_.source, .key = mapping_.source_key, .range = std::move(range)};
    for (const auto& column : mapping_.source_columns) read.select.push_back(quote_identifier(column));
    auto rows = CO_TRY(co_await reader_.open(std::move(read)));
    RowChunk chunk;
    while (!is_over()) {
      CO_TRY(co_await rows->read(chunk));
      if (chunk.rows == 0) co_return co_await reader_.end();
      CO_TRY(co_await check_chunk(chunk));
      progress(check_.tried);
    }
    co_return co_await reader_.cancel();
  }

  bool is_over() const { return check_.refused >= kRefusalsCountedMax; }
  RowCheck take() { return std::move(check_); }

 private:
  Task<void> check_chunk(const RowChunk& chunk) {
    Batch batch;
    for (std::string_view rest = chunk.bytes; !rest.empty();) {
      auto source = CO_TRY(next_tuple(rest));
      ++check_.tried;
      auto mapped = mapper_.map(source, batch.tuples);
      if (!mapped && mapped.error().code != ErrorCode::row_rejected) co_return mapped;
      if (mapped) {
        batch.ends.push_back(batch.tuples.size());
        batch.keys.push_back(key_of(source));
      } else {
        note(key_of(source), mapped.error().detail);
      }
    }
    if (batch.ends.empty()) co_return Status{};
    co_return co_await try_part(batch, 0, batch.ends.size());
  }

  // The database names one refused row at most, so a part that is refused is tried again in halves.
  Task<void> try_part(const Batch& batch, std::size_t from, std::size_t to) {
    if (is_over()) co_return Status{};
    auto reason = CO_TRY(co_await trial_.refusal(batch.part(from, to)));
    if (!reason) co_return Status{};
    if (to - from == 1) {
      note(batch.keys[from], *std::move(reason));
      co_return Status{};
    }
    auto middle = from + (to - from) / 2;
    CO_TRY(co_await try_part(batch, from, middle));
    co_return co_await try_part(batch, middle, to);
  }

  void note(std::string key, std::string reason) {
    if (check_.samples.size() < kRefusalSamples)
      check_.samples.push_back({std::move(key), std::move(reason)});
    ++check_.refused;
  }

  std::string key_of(std::string_view source) const {
    std::string text;
    for (std::size_t i = 0; i < mapping_.source_key.size(); ++i) {
      auto field = field_at(source, mapping_.source_key_fields[i]);
      auto value = key_text(mapping_.source_key[i].type, field.bytes);
      text +=
          fmt::format("{}{}={}", text.empty() ? "" : ", ", mapping_.source_key[i].name, value ? *value : "?");
    }
    return text;
  }

  const TableMapping& mapping_;
  SnapshotReader& reader_;
  RowTrial& trial_;
  RowMapper mapper_;
  RowCheck check_;
};

Task<std::vector<KeyBound>> bounds_of(const TableMapping& mapping, SourceAdmin& source) {
  if (mapping.source_key.empty() || !KeyOrder::of(mapping.source_key)) co_return std::vector<KeyBound>();
  co_return co_await source.plan_ranges(mapping.source, mapping.source_key, kRowsPerRange);
}

}  // namespace

Task<RowCheck> check_rows(const TableMapping& mapping, SourceAdmin& source, SnapshotReader& reader,
                          RowTrial& trial, RowCheckProgress progress) {
  Checker checker(mapping, reader, trial);
  CO_TRY(co_await trial.begin(mapping.target));
  auto bounds = CO_TRY(co_await bounds_of(mapping, source));
  for (std::size_t i = 0; i <= bounds.size() && !checker.is_over(); ++i) {
    KeyRange range{i == 0 ? KeyBound{} : bounds[i - 1], i == bounds.size() ? KeyBound{} : bounds[i]};
    CO_TRY(co_await checker.check_range(std::move(range), progress));
  }
  co_return checker.take();
}

}  // namespace oxbow
