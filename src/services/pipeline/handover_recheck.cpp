#include "services/pipeline/handover_recheck.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "services/pipeline/verifier.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kComparedInPauseMax = 200;  // keys; more are looked at ahead
constexpr int kRoundsAhead = 20;

// A verifier has its readers for itself; these are there before it, and go on behind it.
class LentReader final : public SnapshotReader {
 public:
  explicit LentReader(SnapshotReader& reader) : reader_(reader) {}

  Task<Snapshot> begin(std::vector<TableName> tables) override { return reader_.begin(std::move(tables)); }
  Task<void> end() override { return reader_.end(); }
  Task<Lsn> log_position() override { return reader_.log_position(); }
  Task<std::unique_ptr<RowReader>> open(RangeRead read) override { return reader_.open(std::move(read)); }
  Task<void> cancel() override { return reader_.cancel(); }

 private:
  SnapshotReader& reader_;
};

}  // namespace

Task<void> HandoverRecheck::connect() {
  for (const auto& [side, reader] : parts_.readers) {
    CO_TRY(co_await reader->begin({}));
    CO_TRY(co_await reader->end());
  }
  co_return Status{};
}

bool HandoverRecheck::is_proven(StreamSession& session) const {
  return std::ranges::all_of(session.plan().tables, [&](const PlannedTable& table) {
    return table.entity != parts_.entity.name || session.applier().changed(table.id).is_proven(parts_.cohort);
  });
}

std::size_t HandoverRecheck::changed(StreamSession& session) const {
  std::size_t keys = 0;
  for (const auto& table : session.plan().tables) {
    if (table.entity != parts_.entity.name) continue;
    const auto& of_table = session.applier().changed(table.id);
    keys += of_table.is_whole(parts_.cohort) ? kComparedInPauseMax + 1 : of_table.size_of(parts_.cohort);
  }
  return keys;
}

TouchedKeys::Keys HandoverRecheck::take_changed(StreamSession& session,
                                                const std::vector<QuarantineRecord>& given_up) const {
  TouchedKeys::Keys keys;
  for (const auto& table : session.plan().tables) {
    if (table.entity != parts_.entity.name) continue;
    auto& changed = session.applier().changed(table.id);
    bool is_whole = changed.is_whole(parts_.cohort);
    auto taken = changed.take(parts_.cohort);
    for (const auto& record : given_up)
      if (record.table == table.id) taken.erase(record.key_tuple);
    if (is_whole) taken.clear();
    if (is_whole || !taken.empty()) keys[table.id] = std::move(taken);
  }
  return keys;
}

// What differs was taken out of the keys that are looked at, so nothing is proven any more.
Task<void> HandoverRecheck::compare(StreamSession& session, const TouchedKeys::Keys& keys, bool at_rest) {
  VerifyReport found;
  auto ports = parts_.stream.parts().ports;
  auto source = ports.source_admin();
  ports.snapshot_reader = [this](Side side) {
    return std::make_unique<LentReader>(*parts_.readers.at(side));
  };
  Verifier verifier(parts_.spec, session.plan(), ports, *source, session, parts_.report,
                    parts_.close_findings, found, 0);
  verifier.look_only_at(parts_.entity.name, parts_.cohort);
  auto compared =
      at_rest ? co_await verifier.compare_keys_at_rest(keys) : co_await verifier.compare_keys(keys);
  if (compared && found.divergence_count == 0) co_return Status{};
  for (const auto& [table, of_table] : keys) session.applier().changed(table).forget();
  CO_TRY(std::move(compared));
  co_return Err(
      ErrorCode::differs,
      "{} written since the last verification {} on the two sides; `oxbow findings` shows them; mend the "
      "cause and verify again",
      counted(found.divergence_count, "row", "rows"), found.divergence_count == 1 ? "differs" : "differ");
}

Task<void> HandoverRecheck::shorten(StreamSession& session, const std::vector<QuarantineRecord>& given_up) {
  for (int round = 0; round < kRoundsAhead && changed(session) > kComparedInPauseMax; ++round)
    CO_TRY(co_await compare(session, take_changed(session, given_up), false));
  co_return Status{};
}

Task<std::size_t> HandoverRecheck::finish(StreamSession& session,
                                          const std::vector<QuarantineRecord>& given_up) {
  auto keys = take_changed(session, given_up);
  // The older version of a row that was refused may still stand on the new home, even as another cohort's.
  for (const auto& table : session.plan().tables) {
    if (table.entity != parts_.entity.name || !given_up.empty()) continue;
    for (const auto& [key, shown] : session.applier().quarantined(table.id)) keys[table.id].insert(key);
  }
  std::size_t count = 0;
  for (const auto& [table, of_table] : keys) count += of_table.size();
  CO_TRY(co_await compare(session, keys, true));
  co_return count;
}

}  // namespace oxbow
