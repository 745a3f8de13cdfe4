#include "adapters/postgres/range_placer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/selection_sql.hpp"
#include "model/tuple.hpp"

namespace oxbow::postgres {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string prefixed(std::string_view prefix, const std::vector<std::string>& columns) {
  std::vector<std::string> parts;
  for (const auto& column : columns) parts.push_back(fmt::format("{}.{}", prefix, column));
  return joined(parts);
}

std::string image(std::string_view prefix, const std::vector<std::string>& columns) {
  return fmt::format("ROW({})::text", prefixed(prefix, columns));
}

}  // namespace

std::string create_stage_sql(const TargetTable& table, const std::string& stage) {
  std::vector<std::string> kept, keys;
  for (const auto& column : table.columns) {
    kept.push_back(quote_literal(column.name));
    if (column.in_key) keys.push_back(quote_identifier(column.name));
  }
  // Taking a column away takes the constraints away that speak of it.
  auto sql = fmt::format(
      "CREATE TEMP TABLE {0} (LIKE {1} INCLUDING CONSTRAINTS) ON COMMIT DELETE ROWS; "
      "DO $do$ DECLARE gone text; BEGIN "
      "SELECT string_agg(format('DROP COLUMN %I', attname), ', ') INTO gone FROM pg_attribute "
      "WHERE attrelid = {2}::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ({3}); "
      "IF gone IS NOT NULL THEN EXECUTE format('ALTER TABLE %s %s', {2}, gone); END IF; END $do$",
      stage, quoted(table.name), quote_literal(stage), joined(kept));
  if (!keys.empty()) sql += fmt::format("; CREATE INDEX ON {} ({})", stage, joined(keys));
  return sql;
}

RangePlacer::RangePlacer(Connection& connection, const TargetTable& table, std::string stage,
                         const std::vector<std::string>& all_columns, const RangeRead& rows)
    : connection_(connection),
      table_(table),
      stage_(std::move(stage)),
      selection_(selection_predicate(rows)),
      not_spared_(not_spared_sql(rows.spared.get())),
      beside_other_cohorts_(rows.cohorts.has_value()) {
  for (const auto& name : all_columns) all_columns_.push_back(quote_identifier(name));
  for (const auto& column : table.columns) columns_.push_back(quote_identifier(column.name));
  if (!table.has_key) return;
  for (const auto& column : rows.key) keys_.push_back(quote_identifier(column.name));
}

std::string RangePlacer::keys_match() const {
  std::vector<std::string> terms;
  for (const auto& key : keys_) terms.push_back(fmt::format("t.{0} = s.{0}", key));
  return fmt::format("{}", fmt::join(terms, " AND "));
}

// By their bytes: that also holds for types without an equality of their own, and takes 1.0 and 1.00 apart.
std::string RangePlacer::differs() const {
  return fmt::format("ROW({})::record *<> ROW({})::record", prefixed("t", columns_), prefixed("s", columns_));
}

// Without a key, equal rows are numbered on both sides and paired by number.
std::string RangePlacer::images() const {
  return fmt::format(
      "WITH given AS MATERIALIZED (SELECT s.ctid AS place, {0} AS image, "
      "row_number() OVER (PARTITION BY {0}) AS nth FROM {1} s), "
      "present AS MATERIALIZED (SELECT t.ctid AS place, t.tableoid AS part, {2} AS image, "
      "row_number() OVER (PARTITION BY {2}) AS nth FROM {3} t WHERE {4}) ",
      image("s", columns_), stage_, image("t", columns_), quoted(table_.name), selection_);
}

std::string RangePlacer::remove_leftovers() const {
  if (!keys_.empty()) {
    return fmt::format("DELETE FROM {} t WHERE {} AND NOT EXISTS (SELECT FROM {} s WHERE {})",
                       quoted(table_.name), selection_, stage_, keys_match());
  }
  return fmt::format(
      "{}DELETE FROM {} t USING present p WHERE t.ctid = p.place AND t.tableoid = p.part AND NOT EXISTS "
      "(SELECT FROM given g WHERE g.image = p.image AND g.nth = p.nth)",
      images(), quoted(table_.name));
}

std::string RangePlacer::remove_changed() const {
  return fmt::format("DELETE FROM {} t USING {} s WHERE {} AND {}{}", quoted(table_.name), stage_,
                     keys_match(), differs(), not_spared_);
}

// Removed and inserted again, so that unique values may change places. Columns that nobody writes keep what
// they have. Sorting makes the removal complete before the first row goes in.
std::string RangePlacer::rewrite_changed() const {
  std::vector<std::string> values;
  for (const auto& column : all_columns_) {
    bool written = std::ranges::find(columns_, column) != columns_.end();
    values.push_back(fmt::format("{}.{} AS {}", written ? "s" : "t", column, column));
  }
  return fmt::format(
      "WITH gone AS ({} RETURNING {}) INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE "
      "SELECT {} FROM (SELECT * FROM gone ORDER BY {}) g",
      remove_changed(), joined(values), quoted(table_.name), joined(all_columns_), joined(all_columns_),
      joined(keys_));
}

// Where a row that is spared has the key, the table refuses this one.
std::string RangePlacer::find_missing() const {
  if (!keys_.empty()) {
    return fmt::format("SELECT s.ctid AS place FROM {} s WHERE NOT EXISTS (SELECT FROM {} t WHERE {}{})",
                       stage_, quoted(table_.name), keys_match(), not_spared_);
  }
  return fmt::format(
      "{}SELECT g.place FROM given g WHERE NOT EXISTS "
      "(SELECT FROM present p WHERE p.image = g.image AND p.nth = g.nth)",
      images());
}

std::string RangePlacer::insert_missing(std::string_view condition) const {
  return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} s WHERE {}",
                     quoted(table_.name), joined(columns_), prefixed("s", columns_), stage_, condition);
}

Task<void> RangePlacer::place() {
  auto present = CO_TRY(co_await connection_.exec(
      fmt::format("SELECT EXISTS (SELECT FROM {} WHERE {})", quoted(table_.name), selection_)));
  std::string sql = "SAVEPOINT oxbow_place";
  if (present.boolean(0, 0) || beside_other_cohorts_) {
    sql += "; " + remove_leftovers();
    if (!keys_.empty()) sql += "; " + rewrite_changed();
    sql += "; " + insert_missing(fmt::format("s.ctid IN ({})", find_missing()));
  } else {
    sql += "; " + insert_missing("TRUE");
  }
  auto placed = co_await connection_.exec(sql + "; RELEASE SAVEPOINT oxbow_place");
  if (placed) co_return Status{};
  if (placed.error().code == ErrorCode::row_rejected)
    CO_TRY(co_await connection_.exec("ROLLBACK TO SAVEPOINT oxbow_place"));
  co_return std::unexpected(std::move(placed).error());
}

Task<std::vector<UnplacedRow>> RangePlacer::find_refused() {
  CO_TRY(co_await connection_.exec(remove_leftovers()));
  if (!keys_.empty()) CO_TRY(co_await connection_.exec(remove_changed()));
  auto missing = CO_TRY(co_await connection_.exec(find_missing()));
  std::vector<std::string> places;
  for (int row = 0; row < missing.size(); ++row) places.push_back(missing.text(row, 0));
  std::vector<UnplacedRow> refused;
  CO_TRY(co_await insert_by_halves(std::move(places), refused));
  co_return refused;
}

Task<void> RangePlacer::insert_by_halves(std::vector<std::string> places, std::vector<UnplacedRow>& refused) {
  if (places.empty()) co_return Status{};
  CO_TRY(co_await connection_.exec("SAVEPOINT oxbow_half"));
  auto inserted =
      co_await connection_.exec_params(insert_missing("s.ctid = ANY($1::tid[])"), {{to_text_array(places)}});
  if (inserted) {
    CO_TRY(co_await connection_.exec("RELEASE SAVEPOINT oxbow_half"));
    co_return Status{};
  }
  if (inserted.error().code != ErrorCode::row_rejected)
    co_return std::unexpected(std::move(inserted).error());
  CO_TRY(co_await connection_.exec("ROLLBACK TO SAVEPOINT oxbow_half; RELEASE SAVEPOINT oxbow_half"));
  if (places.size() == 1) {
    auto identity = CO_TRY(co_await identity_at(places.front()));
    refused.push_back({std::move(identity), inserted.error().detail});
    co_return Status{};
  }
  auto middle = places.begin() + static_cast<std::ptrdiff_t>(places.size() / 2);
  CO_TRY(co_await insert_by_halves({places.begin(), middle}, refused));
  co_return co_await insert_by_halves({middle, places.end()}, refused);
}

Task<std::string> RangePlacer::identity_at(const std::string& place) {
  auto columns = keys_;
  if (columns.empty()) {
    for (const auto& column : table_.columns)
      if (column.sql.empty()) columns.push_back(quote_identifier(column.name));
  }
  Rows row = CO_TRY(co_await connection_.exec_params(
      fmt::format("SELECT {} FROM {} s WHERE s.ctid = $1::tid", prefixed("s", columns), stage_), {{place}},
      Format::binary));
  std::vector<Field> fields;
  for (int i = 0; i < static_cast<int>(columns.size()); ++i)
    fields.push_back(row.is_null(0, i) ? Field::null() : Field::value(row.view(0, i)));
  co_return make_tuple_bytes(fields);
}

}  // namespace oxbow::postgres
