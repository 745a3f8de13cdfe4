#include "services/pipeline/verifier.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <algorithm>

#include "base/text.hpp"
#include "core/compare/shown_row.hpp"
#include "core/merge/key_order.hpp"
#include "core/merge/row_merger.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kRowsPerRange = 200'000;
constexpr Duration kStretchMax = seconds(2);  // how long a table stays locked against TRUNCATE and DDL
constexpr int kLooksMax = 200;
constexpr std::size_t kKeysPerLook = 500;
constexpr std::size_t kShownCharacters = 200;      // of one value
constexpr std::size_t kSelectedColumnsMax = 1664;  // of a SELECT
constexpr std::size_t kDivergencesKept = 1000;     // of one table, as findings

// Splits a tuple behind its first `fields` fields: the bytes of those, and the bytes of the rest.
std::pair<std::string_view, std::string_view> split_fields(std::string_view tuple, std::size_t fields) {
  FieldReader reader(tuple);
  std::size_t at = 2;
  for (std::size_t i = 0; i < fields; ++i) at += 4 + reader.next().bytes.size();
  return {tuple.substr(2, at - 2), tuple.substr(at)};
}

// One legacy table may be copied into several new ones, so both are named.
std::string sentence_of(Difference difference, const TableMapping& mapping) {
  auto source = to_string(mapping.source);
  auto target = to_string(mapping.target.name);
  switch (difference) {
    case Difference::missing_on_new:
      return fmt::format("{} lacks a row of {}", target, source);
    case Difference::extra_on_new:
      return fmt::format("{} has a row that {} has not", target, source);
    case Difference::value:
      return fmt::format("{} and {} differ in a row", source, target);
  }
  return {};
}

// `fields` as they are compared: without their number.
KeyBound bound_of(const std::vector<KeyColumn>& key, std::string_view fields) {
  KeyBound bound;
  append_big_endian(bound.tuple, static_cast<std::uint16_t>(key.size()));
  bound.tuple += fields;
  for (std::size_t i = 0; i < key.size(); ++i) {
    auto text = binary_to_text(key[i].type, field_at(bound.tuple, i).bytes);
    bound.literals.push_back(text ? *text : "?");
  }
  return bound;
}

std::string shown_key(const std::vector<KeyColumn>& key, const KeyBound& bound) {
  std::string shown;
  for (std::size_t i = 0; i < key.size(); ++i)
    shown += fmt::format("{}{}={}", i > 0 ? ", " : "", key[i].name, bound.literals[i]);
  return shown;
}

std::string field_bytes(std::string_view tuple) {
  return std::string(tuple.substr(2));
}

}  // namespace

Verifier::Verifier(const Spec& spec, const Plan& plan, const StreamPorts& ports, SourceAdmin& source,
                   StreamSession& session, std::function<void(Finding)> report_finding,
                   FindingCloser close_findings, VerifyReport& report, std::uint64_t rows_per_second_max)
    : spec_(spec),
      plan_(plan),
      ports_(ports),
      source_(source),
      session_(session),
      report_finding_(std::move(report_finding)),
      close_findings_(std::move(close_findings)),
      report_(report),
      pace_(rows_per_second_max),
      source_reader_(ports.snapshot_reader(source_of(plan.course))),
      target_reader_(ports.snapshot_reader(target_of(plan.course))) {}

Verifier::~Verifier() = default;

Task<void> Verifier::run(const std::vector<std::uint32_t>& tables) {
  began_ = monotonic_now();
  findings_before_ = wall_now();
  seed_ = static_cast<std::uint64_t>(wall_now().time_since_epoch().count());
  for (auto table : tables) {
    const auto& entity = plan_.tables[table].entity;
    cohorts_[entity] = session_.carried_cohorts(entity);
  }
  Status ended;
  for (auto table : tables) {
    auto rows_before = report_.rows_compared;
    auto& of_entity = report_.entities[plan_.tables[table].entity];
    ended = co_await verify_table(table);
    of_entity.rows_compared += report_.rows_compared - rows_before;
    if (!ended) break;
    compared_.insert(table);
    close_settled(plan_.tables[table]);
    tables_done_ += 1;
    report_.coverage_percent = 100.0 * tables_done_ / static_cast<double>(tables.size());
  }
  report_.taken_at = wall_now();
  auto elapsed = std::chrono::duration<double>(monotonic_now() - began_).count();
  report_.rows_per_second = static_cast<double>(report_.rows_compared) / std::max(elapsed, 0.001);
  report_.eta.reset();
  if (!ended && ended.error().code == ErrorCode::cancelled) co_return ended;  // who cancels it says why
  if (!ended) {
    report_.state =
        ended.error().code == ErrorCode::incomplete ? VerifyState::incomplete : VerifyState::failed;
    report_.reason = to_string(ended.error());
  } else {
    report_.state = report_.divergence_count == 0 ? VerifyState::equal : VerifyState::differs;
  }
  co_return ended;
}

void Verifier::look_only_at(const std::string& entity, CohortId cohort) {
  cohorts_[entity] = std::vector{cohort};
  seed_ = static_cast<std::uint64_t>(wall_now().time_since_epoch().count());
}

Task<void> Verifier::compare_keys(const TouchedKeys::Keys& keys) {
  for (const auto& [table, of_table] : keys) {
    suspects_.clear();
    for (const auto& key : of_table) suspect(table, key, {});
    if (of_table.empty()) {
      CO_TRY(co_await begin_stretch(table));
      CO_TRY(co_await compare_range(table, {}));
    }
    CO_TRY(co_await look_again(table));
    CO_TRY(co_await source_reader_->end());
    CO_TRY(co_await target_reader_->end());
  }
  co_return Status{};
}

Task<void> Verifier::compare_keys_at_rest(const TouchedKeys::Keys& keys) {
  std::vector<TableName> sources, targets;
  for (const auto& [table, of_table] : keys) {
    sources.push_back(plan_.tables[table].mapping.source);
    targets.push_back(plan_.tables[table].mapping.target.name);
  }
  if (keys.empty()) co_return Status{};
  auto begin = [](SnapshotReader& reader, std::vector<TableName> tables) -> Task<void> {
    CO_TRY(co_await reader.begin(std::move(tables)));
    co_return Status{};
  };
  CO_TRY(
      co_await both(begin(*source_reader_, std::move(sources)), begin(*target_reader_, std::move(targets))));
  for (const auto& [table, of_table] : keys) CO_TRY(co_await compare_at_rest(table, keys));
  co_return co_await both(source_reader_->end(), target_reader_->end());
}

Task<void> Verifier::compare_at_rest(std::uint32_t table, const TouchedKeys::Keys& keys) {
  const auto& mapping = plan_.tables[table].mapping;
  auto of_source = read_of(table, End::source, {}, true);
  auto of_target = read_of(table, End::target, {}, false);
  if (!mapping.source_key.empty())
    for (const auto& key : keys.at(table))
      of_source.keys.push_back(bound_of(mapping.source_key, key.substr(2)));
  if (!mapping.target_key.empty())
    for (const auto& key : compared_keys(table, keys))
      of_target.keys.push_back(bound_of(mapping.target_key, key));
  auto comparison = CO_TRY(co_await compare_rows(table, std::move(of_source), std::move(of_target)));
  auto found = comparison.differences();
  co_return co_await tell(table, {found.begin(), found.end()});
}

Task<void> Verifier::verify_table(std::uint32_t table) {
  const auto& mapping = plan_.tables[table].mapping;
  session_.applier().changed(table).start();
  std::vector<KeyBound> bounds;
  if (mapping.ranges_hold_on_target && KeyOrder::of(mapping.source_key))
    bounds = CO_TRY(co_await source_.plan_ranges(mapping.source, mapping.source_key, kRowsPerRange));
  report_.ranges_total += bounds.size() + 1;

  stretch_began_ = {};
  table_position_ = {};
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    KeyRange range{i == 0 ? KeyBound{} : bounds[i - 1], i == bounds.size() ? KeyBound{} : bounds[i]};
    if (stretch_began_ == Instant{} || monotonic_now() - stretch_began_ > kStretchMax)
      CO_TRY(co_await begin_stretch(table));
    CO_TRY(co_await compare_range(table, range));
    ++report_.ranges_done;
  }
  CO_TRY(co_await look_again(table));
  if (!differing_.contains(table)) {
    const auto& entity = plan_.tables[table].entity;
    const auto& carried = session_.carried().at(entity);
    auto cohorts = cohorts_.at(entity).value_or(std::vector(carried.begin(), carried.end()));
    session_.applier().changed(table).proven(cohorts);
  }
  CO_TRY(co_await source_reader_->end());
  co_return co_await target_reader_->end();
}

Task<void> Verifier::begin_stretch(std::uint32_t table) {
  const auto& mapping = plan_.tables[table].mapping;
  auto& applier = session_.applier();
  for (int attempt = 0;; ++attempt) {
    auto owed = applier.unproven();
    applier.touched().start();
    auto snapshot = CO_TRY(co_await source_reader_->begin({mapping.source}));
    // What was applied before the recording began has to be visible, or it would look like a row of the
    // future.
    if (std::ranges::all_of(owed, [&](Xid xid) { return snapshot.sees(xid); })) {
      applier.touched().narrow(snapshot);
      break;
    }
    if (attempt >= 1000)
      co_return Err(ErrorCode::incomplete,
                    "a transaction is in the log of the {} side but has not become visible for 10 s; is a "
                    "synchronous standby away?",
                    name(source_of(plan_.course)));
    CO_TRY(co_await sleep_for(milliseconds(10)));
  }
  auto at_barrier = [&]() -> Task<void> {
    CO_TRY(co_await target_reader_->begin({mapping.target.name}));
    touched_ = applier.touched().stop();
    for (auto& key : applier.fences(table).points()) touched_[table].insert(std::move(key));
    co_return Status{};
  };
  report_.reason = fmt::format("it waits until the stream has passed this moment of the {} side",
                               name(source_of(plan_.course)));
  auto reached = co_await session_.at_marker(at_barrier);
  report_.reason.clear();
  auto position = CO_TRY(std::move(reached));
  if (report_.position == Lsn{}) report_.position = position;
  if (table_position_ == Lsn{}) table_position_ = position;
  report_.position_newest = position;
  in_flight_ = compared_keys(table, touched_);
  for (const auto& key : touched_[table]) suspect(table, key, {});
  stretch_began_ = monotonic_now();
  co_return Status{};
}

std::set<std::string> Verifier::compared_keys(std::uint32_t table, const TouchedKeys::Keys& touched) {
  std::set<std::string> keys;
  auto at = touched.find(table);
  if (at == touched.end()) return keys;
  const auto& mapping = plan_.tables[table].mapping;
  RowMapper mapper(mapping);
  std::vector<Field> fields(mapping.source_columns.size());
  for (const auto& source_key : at->second) {
    std::string mapped;
    if (mapping.source_key.empty()) {
      if (mapper.map(source_key, mapped)) keys.insert(field_bytes(mapped));
      continue;
    }
    FieldReader reader(source_key);
    for (std::size_t place : mapping.source_key_fields) fields[place] = reader.next();
    if (mapper.map_key(make_tuple_bytes(fields), mapped)) keys.insert(field_bytes(mapped));
  }
  return keys;
}

RangeRead Verifier::read_of(std::uint32_t table, End end, const KeyRange& range, bool with_source_key) const {
  const auto& planned = plan_.tables[table];
  const auto& mapping = planned.mapping;
  bool is_source = end == End::source;
  RangeRead read{.table = is_source ? mapping.source : mapping.target.name,
                 .key = is_source ? mapping.source_key : mapping.target_key,
                 .range = range};
  if (is_source && with_source_key) {
    for (const auto& column : mapping.source_key) read.select.push_back(quote_identifier(column.name));
  }
  for (const auto* column : that_count(mapping.compared))
    read.select.push_back(is_source ? column->legacy_sql : column->new_sql);
  const auto& mirrored = cohorts_.at(planned.entity);
  // Rows of other cohorts may be left of an earlier mirror.
  if (mirrored && (is_source || !mapping.new_entity_key.empty())) {
    read.cohorts = is_source ? filter_on_source(planned, *mirrored) : filter_on_target(planned, *mirrored);
  }
  return read;
}

// Rows of a cohort that joins meanwhile can be left out only where the new side tells which ones they are.
Status Verifier::cohorts_still_stand(std::uint32_t table) const {
  const auto& planned = plan_.tables[table];
  if (!planned.mapping.new_entity_key.empty()) return {};
  if (cohorts_.at(planned.entity) == session_.carried_cohorts(planned.entity)) return {};
  return Err(ErrorCode::incomplete, "cohorts of {} were advanced meanwhile; verify again", planned.entity);
}

// All but those that may differ today.
std::vector<const ComparedColumn*> Verifier::that_count(const std::vector<ComparedColumn>& columns) const {
  auto today = std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(wall_now()));
  std::vector<const ComparedColumn*> counting;
  for (const auto& column : columns)
    if (!column.may_differ_until || today > *column.may_differ_until) counting.push_back(&column);
  return counting;
}

Task<void> Verifier::compare_range(std::uint32_t table, const KeyRange& range) {
  const auto& mapping = plan_.tables[table].mapping;
  auto key_fields = mapping.target_key.size();
  RangeDigest of_source(seed_), of_target(seed_);
  auto read_end = [&](End end, RangeDigest& out) -> Task<void> {
    auto& reader = end == End::source ? *source_reader_ : *target_reader_;
    auto* counted = end == End::source ? &report_.rows_compared : nullptr;
    out = CO_TRY(co_await digest(reader, read_of(table, end, range, false), in_flight_, key_fields, counted));
    co_return Status{};
  };
  CO_TRY(co_await both(read_end(End::source, of_source), read_end(End::target, of_target)));
  if (of_source == of_target) co_return Status{};
  CO_TRY(cohorts_still_stand(table));

  auto comparison = CO_TRY(co_await compare_rows(table, read_of(table, End::source, range, true),
                                                 read_of(table, End::target, range, false)));
  for (const auto& found : comparison.differences()) {
    if (in_flight_.contains(found.key)) continue;
    suspect(table, found.source_key, found.key);
  }
  co_return Status{};
}

Task<void> Verifier::both(Task<void> of_source, Task<void> of_target) {
  using namespace boost::asio::experimental::awaitable_operators;
  auto [first, second] = co_await (std::move(of_source) && std::move(of_target));
  if (!first) co_return first;
  co_return second;
}

Task<RangeDigest> Verifier::digest(SnapshotReader& reader, RangeRead read,
                                   const std::set<std::string>& excluded, std::size_t key_fields,
                                   std::uint64_t* counted) {
  auto rows = CO_TRY(co_await reader.open(std::move(read)));
  RangeDigest digest(seed_);
  RowChunk chunk;
  while (true) {
    CO_TRY(co_await rows->read(chunk));
    if (chunk.rows == 0) co_return digest;
    if (counted != nullptr) {
      *counted += chunk.rows;
      note_progress();
      auto wait = pace_.spend(monotonic_now(), chunk.rows);
      if (wait > Duration{}) CO_TRY(co_await sleep_for(wait));
    }
    std::string_view rest = chunk.bytes;
    while (!rest.empty()) {
      auto tuple = take_tuple(rest);
      if (!excluded.empty()) {
        auto key = key_fields == 0 ? tuple.substr(2) : split_fields(tuple, key_fields).first;
        if (excluded.contains(std::string(key))) continue;
      }
      digest.add(tuple);
    }
  }
}

void Verifier::note_progress() {
  auto elapsed = std::chrono::duration<double>(monotonic_now() - began_).count();
  if (elapsed < 1) return;
  report_.rows_per_second = static_cast<double>(report_.rows_compared) / elapsed;
  report_.eta = time_left(report_.rows_compared, report_.rows_estimated, report_.rows_per_second);
}

Task<RowComparison> Verifier::compare_rows(std::uint32_t table, RangeRead of_source, RangeRead of_target) {
  const auto& mapping = plan_.tables[table].mapping;
  auto source_fields = mapping.source_key.size();
  auto key_fields = mapping.target_key.size();
  RowComparison comparison;
  auto read_end = [&](End end, RangeRead read) -> Task<void> {
    auto& reader = end == End::source ? *source_reader_ : *target_reader_;
    auto rows = CO_TRY(co_await reader.open(std::move(read)));
    RowChunk chunk;
    while (true) {
      CO_TRY(co_await rows->read(chunk));
      if (chunk.rows == 0) co_return Status{};
      std::string_view rest = chunk.bytes;
      while (!rest.empty()) {
        auto tuple = take_tuple(rest);
        auto leading = end == End::source ? source_fields : 0;
        auto [source_key, row] = split_fields(tuple, leading);
        auto key =
            key_fields == 0 ? row : split_fields(tuple, leading + key_fields).first.substr(source_key.size());
        if (end == End::source) {
          std::string source;
          append_big_endian(source, static_cast<std::uint16_t>(source_fields));
          source += source_key;
          comparison.add_legacy(std::string(key), row, source_fields == 0 ? std::string() : source);
        } else {
          comparison.add_new(std::string(key), row);
        }
      }
    }
  };
  CO_TRY(co_await both(read_end(End::source, std::move(of_source)),
                       read_end(End::target, std::move(of_target))));
  co_return comparison;
}

void Verifier::suspect(std::uint32_t table, const std::string& source_key, const std::string& compared_key) {
  const auto& mapping = plan_.tables[table].mapping;
  Suspect suspect{{}, compared_key};
  if (!mapping.source_key.empty() && !source_key.empty()) {
    suspect.source_key.tuple = source_key;
    for (std::size_t i = 0; i < mapping.source_key.size(); ++i) {
      auto text = binary_to_text(mapping.source_key[i].type, field_at(source_key, i).bytes);
      if (text) suspect.source_key.literals.push_back(*text);
    }
  } else if (!mapping.target_key.empty() && !compared_key.empty()) {
    // Only the new side has it; where keys pass through unchanged, legacy can be asked for the same key.
    std::string tuple;
    append_big_endian(tuple, static_cast<std::uint16_t>(mapping.target_key.size()));
    tuple += compared_key;
    suspect.source_key.tuple = tuple;
    for (std::size_t i = 0; i < mapping.target_key.size(); ++i) {
      auto text = binary_to_text(mapping.target_key[i].type, field_at(tuple, i).bytes);
      if (text) suspect.source_key.literals.push_back(*text);
    }
  }
  suspects_.push_back(std::move(suspect));
  ++report_.requeued_keys;
}

// Every suspect is compared again, a few hundred at a time, each time at a new logical point. A key that is
// in flight again waits for the next look; one that is not, and differs, is a divergence.
Task<void> Verifier::look_again(std::uint32_t table) {
  const auto& mapping = plan_.tables[table].mapping;
  bool by_key = !mapping.source_key.empty() && mapping.ranges_hold_on_target;
  std::set<std::string> reported;
  for (int look = 0; !suspects_.empty(); ++look) {
    if (look >= kLooksMax)
      co_return Err(ErrorCode::incomplete, "{} keys of {} were changing at each of {} looks",
                    suspects_.size(), to_string(mapping.source), kLooksMax);
    auto all = std::exchange(suspects_, {});
    report_.requeued_keys -= all.size();
    CO_TRY(co_await begin_stretch(table));
    suspects_.clear();  // keys in flight now that nobody suspected have been compared already

    for (std::size_t begin = 0; begin < all.size(); begin += by_key ? kKeysPerLook : all.size()) {
      auto of_source = read_of(table, End::source, {}, true);
      auto of_target = read_of(table, End::target, {}, false);
      if (by_key) {
        for (auto i = begin; i < std::min(begin + kKeysPerLook, all.size()); ++i)
          of_source.keys.push_back(all[i].source_key);
        of_target.keys = of_source.keys;
      }
      auto comparison = CO_TRY(co_await compare_rows(table, std::move(of_source), std::move(of_target)));
      std::vector<RowComparison::Found> settled;
      for (auto& found : comparison.differences()) {
        if (in_flight_.contains(found.key)) {
          suspect(table, found.source_key, found.key);
        } else if (reported.insert(found.key).second) {
          settled.push_back(std::move(found));
        }
      }
      CO_TRY(co_await tell(table, std::move(settled)));
    }
    for (const auto& key : all) {
      // A key that is in flight on both sides in the same way looks equal here, and is not proven yet.
      if (!key.source_key.tuple.empty() && touched_[table].contains(key.source_key.tuple))
        suspect(table, key.source_key.tuple, key.compared_key);
    }
  }
  tell_of_the_rest(table);
  co_return Status{};
}

// A table that differs as a whole has as many divergences as rows. Some of them are described and become
// findings, and the rest is counted: nobody reads more, and reading and writing them would take hours.
Task<void> Verifier::tell(std::uint32_t table, std::vector<RowComparison::Found> found) {
  if (found.empty()) co_return Status{};
  const auto& mapping = plan_.tables[table].mapping;
  auto name = to_string(mapping.source);
  differing_.insert(table);
  report_.divergence_count += found.size();
  report_.entities[plan_.tables[table].entity].divergence_count += found.size();
  auto kept = std::min(found.size(), kDivergencesKept - kept_[table]);
  kept_[table] += kept;
  not_kept_[table] += found.size() - kept;
  for (auto i = kept; i < found.size(); ++i) {
    if (mapping.target_key.empty()) {
      unnamed_.insert(name);
    } else {
      divergences_.emplace(name, key_of(mapping, found[i]));
    }
  }
  found.resize(kept);
  for (auto& finding : CO_TRY(co_await describe(table, found))) {
    divergences_.emplace(finding.table, finding.key);
    if (report_.divergences.size() < kDivergencesShown) report_.divergences.push_back(finding);
    report_finding_(std::move(finding));
  }
  co_return Status{};
}

void Verifier::tell_of_the_rest(std::uint32_t table) {
  auto rest = not_kept_[table];
  if (rest == 0) return;
  const auto& planned = plan_.tables[table];
  auto finding = divergence_of(planned);
  finding.key = fmt::format("(more in {})", to_string(planned.mapping.target.name));
  finding.sentence = fmt::format(
      "{} more rows of {} and {} differ; {} of them have findings of their own, so mend the cause "
      "and verify again",
      human_count(rest), to_string(planned.mapping.source), to_string(planned.mapping.target.name),
      human_count(kDivergencesKept));
  divergences_.emplace(finding.table, finding.key);
  report_finding_(std::move(finding));
}

// A few statements for all of them together.
Task<std::vector<Finding>> Verifier::describe(std::uint32_t table,
                                              const std::vector<RowComparison::Found>& found) {
  const auto& planned = plan_.tables[table];
  const auto& mapping = planned.mapping;
  std::vector<Finding> findings;
  if (found.empty()) co_return findings;
  bool has_key = !mapping.target_key.empty();
  TextsByKey of_source, of_target;
  std::vector<KeyBound> keys_of_source, keys_of_target;
  for (const auto& each : found) {
    if (each.legacy_rows > 0) of_source.try_emplace(each.key);
    if (each.new_rows > 0) of_target.try_emplace(each.key);
    if (!has_key) continue;
    if (each.legacy_rows > 0 && !each.source_key.empty())
      keys_of_source.push_back(bound_of(mapping.source_key, each.source_key.substr(2)));
    if (each.new_rows > 0) keys_of_target.push_back(bound_of(mapping.target_key, each.key));
  }
  auto texts = that_count(planned.shown).size() + that_count(mapping.compared).size();
  if (texts + (has_key ? mapping.target_key.size() : texts) <= kSelectedColumnsMax) {
    CO_TRY(co_await read_texts(table, End::source, std::move(keys_of_source), of_source));
    CO_TRY(co_await read_texts(table, End::target, std::move(keys_of_target), of_target));
  }
  for (const auto& each : found) {
    findings.push_back(
        has_key
            ? describe_keyed(planned, each, of_source[each.key], of_target[each.key])
            : describe_row(planned, each, each.legacy_rows > 0 ? of_source[each.key] : of_target[each.key]));
  }
  co_return findings;
}

// Fills in the rows that are wanted: what the columns that are compared say as text, and those that are
// shown, beside the bytes by which rows are told apart. No `keys`: all rows are read.
Task<void> Verifier::read_texts(std::uint32_t table, End end, std::vector<KeyBound> keys,
                                TextsByKey& wanted) {
  if (wanted.empty()) co_return Status{};
  auto read = read_of(table, end, {}, false);
  auto compared = read.select;
  auto leading = plan_.tables[table].mapping.target_key.size();
  if (leading == 0) leading = compared.size();
  read.select.resize(leading);
  for (const auto* column : that_count(plan_.tables[table].shown))
    compared.push_back(end == End::source ? column->legacy_sql : column->new_sql);
  for (const auto& expression : compared) read.select.push_back("(" + expression + ")::text");
  read.keys = std::move(keys);
  auto rows = CO_TRY(co_await (end == End::source ? *source_reader_ : *target_reader_).open(std::move(read)));
  RowChunk chunk;
  while (true) {
    CO_TRY(co_await rows->read(chunk));
    if (chunk.rows == 0) co_return Status{};
    std::string_view rest = chunk.bytes;
    while (!rest.empty()) {
      auto tuple = take_tuple(rest);
      auto row = wanted.find(std::string(split_fields(tuple, leading).first));
      if (row == wanted.end() || !row->second.empty()) continue;
      FieldReader fields(tuple);
      for (std::size_t i = 0; i < leading; ++i) fields.next();
      while (!fields.done()) {
        auto field = fields.next();
        row->second.push_back(field.is_null() ? std::nullopt : std::optional(std::string(field.bytes)));
      }
    }
  }
}

// A row without a key: it has no other side to differ from, only a number of copies on each.
Finding Verifier::describe_row(const PlannedTable& table, const RowComparison::Found& found,
                               const Texts& texts) const {
  auto finding = divergence_of(table);
  finding.sentence = sentence_of(found.difference, table.mapping);
  ShownRow row;
  auto columns = that_count(table.mapping.compared);
  if (texts.empty()) row.add_unknown("row", found.key.size());
  for (std::size_t i = 0; i < std::min(columns.size(), texts.size()); ++i) {
    const auto& column = columns[i]->name;
    texts[i] ? row.add(column, *texts[i]) : row.add_null(column);
    finding.detail +=
        fmt::format("{}: {}\n", column, texts[i] ? shown_value(*texts[i], kShownCharacters) : "NULL");
  }
  finding.key = row.to_string(found.key);
  finding.detail +=
      on_both_sides("copies", std::to_string(found.legacy_rows), std::to_string(found.new_rows));
  return finding;
}

// "status: legacy 'captured', new 'refunded'", whichever of them is the source.
std::string Verifier::on_both_sides(std::string_view what, std::string of_source,
                                    std::string of_target) const {
  if (source_of(plan_.course) == Side::new_side) std::swap(of_source, of_target);
  return fmt::format("{}: legacy {}, new {}", what, of_source, of_target);
}

// In the terms of the new side, whoever is home.
std::string Verifier::key_of(const TableMapping& mapping, const RowComparison::Found& found) const {
  bool source_is_new = source_of(plan_.course) == Side::new_side;
  if (!source_is_new || mapping.source_key.size() != mapping.target_key.size())
    return shown_key(mapping.target_key, bound_of(mapping.target_key, found.key));
  if (found.source_key.empty()) return shown_key(mapping.source_key, bound_of(mapping.target_key, found.key));
  return shown_key(mapping.source_key, bound_of(mapping.source_key, found.source_key.substr(2)));
}

Finding Verifier::describe_keyed(const PlannedTable& table, const RowComparison::Found& found,
                                 const Texts& of_source, const Texts& of_target) const {
  const auto& mapping = table.mapping;
  auto finding = divergence_of(table);
  finding.key = key_of(mapping, found);
  finding.sentence = sentence_of(found.difference, mapping);
  auto text = [](const Texts& texts, std::size_t i) -> std::string {
    if (i >= texts.size()) return "(no row)";
    return texts[i] ? shown_value(*texts[i], kShownCharacters) : "NULL";
  };
  auto describe = [&](const std::vector<const ComparedColumn*>& columns, std::size_t begin) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      auto at_source = text(of_source, begin + i), at_target = text(of_target, begin + i);
      if (at_source == at_target) continue;
      finding.detail += finding.detail.empty() ? "" : "\n";
      finding.detail += on_both_sides(columns[i]->name, std::move(at_source), std::move(at_target));
    }
  };
  auto compared = that_count(mapping.compared);
  describe(that_count(table.shown), compared.size());
  // What differs may be seen only in the terms in which it is compared.
  if (finding.detail.empty()) describe(compared, 0);
  return finding;
}

Finding Verifier::divergence_of(const PlannedTable& table) const {
  return {.kind = FindingKind::divergence,
          .entity = table.entity,
          .table = to_string(table.mapping.source),
          .owner = spec_.owners.coexistence};
}

// What an earlier look found and this one does not is over. A finding goes by the name of a table, which
// several mappings may read or write: then the last of them closes it.
void Verifier::close_settled(const PlannedTable& table) {
  auto each_is = [&](auto name_in, const auto& holds) {
    return std::ranges::all_of(plan_.tables, [&](const PlannedTable& other) {
      return name_in(other.mapping) != name_in(table.mapping) || holds(other.id);
    });
  };
  auto source = [](const TableMapping& mapping) { return mapping.source; };
  auto target = [](const TableMapping& mapping) { return mapping.target.name; };
  auto is_compared = [&](std::uint32_t id) { return compared_.contains(id); };
  auto is_equal = [&](std::uint32_t id) { return compared_.contains(id) && !differing_.contains(id); };
  auto ending = fmt::format("a verification found no difference {}at {}",
                            session_.carried_cohorts(table.entity) ? "in what is mirrored " : "",
                            to_string(table_position_));
  FindingSelection gone{.kind = FindingKind::divergence, .table = to_string(table.mapping.source)};
  gone.but = divergences_;
  if (each_is(source, is_compared) && !unnamed_.contains(*gone.table)) close_findings_(gone, ending);
  FindingSelection met_again{.kind = FindingKind::rows_unexpected,
                             .table = to_string(table.mapping.target.name)};
  met_again.seen_before = findings_before_;  // what came meanwhile may have come behind the comparison
  if (each_is(target, is_equal)) close_findings_(met_again, ending);
}

}  // namespace oxbow
