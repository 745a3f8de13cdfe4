#include "sim/handover/payment.hpp"

#include <fmt/core.h>

#include <array>

#include "core/cohort/cohorts.hpp"
#include "core/mapping/inverse.hpp"
#include "model/tuple.hpp"
#include "support/one_table.hpp"

namespace oxbow::sim {
namespace {

constexpr std::int64_t kHundredths = 100;

Table table_of(PaymentTable which, Side side) {
  bool is_legacy = side == Side::legacy, is_line = which == PaymentTable::lines;
  Table table;
  table.name = is_legacy ? TableName{"public", is_line ? "lines" : "payments"}
                         : TableName{"ledger", is_line ? "line" : "payment"};
  table.columns = {{.name = "number", .type = test::builtin("int8", 20), .nullable = false},
                   {.name = "account", .type = test::builtin("int8", 20), .nullable = false},
                   {.name = is_legacy ? "amount" : "minor", .type = test::builtin("int8", 20)},
                   {.name = "code", .type = test::builtin("int8", 20)},
                   {.name = "note", .type = test::builtin("text", 25)}};
  table.indexes = {{.name = "by_number", .columns = {"number"}, .unique = true, .primary = true}};
  if (codes_are_unique(which, side))
    table.indexes.push_back({.name = "by_code", .columns = {"code"}, .unique = true});
  return table;
}

// Of one table.
struct Mappings {
  TableMapping there, back;

  explicit Mappings(PaymentTable which) {
    auto legacy = table_of(which, Side::legacy), fresh = table_of(which, Side::new_side);
    TableSpec spec{.legacy = legacy.name, .new_side = fresh.name};
    spec.columns = {{.op = ColumnOp::scale, .legacy = {"amount"}, .new_side = {"minor"}, .argument = "100"}};
    EntitySpec entity{.name = "payment", .key = "account", .tables = {spec}};
    for (std::uint32_t i = 0; i < kCohorts; ++i) entity.cohorts.push_back({.name = fmt::format("c{}", i)});
    there = taken(compile_mapping(entity, spec, legacy, fresh));
    back = taken(compile_inverse(entity, spec, legacy, fresh, there));
    there.target.id = back.target.id = static_cast<std::uint32_t>(which);
  }

  static TableMapping taken(CompiledMapping compiled) {
    OXBOW_ASSERT(compiled.mapping, "{}", compiled.problems.front().sentence);
    return *std::move(compiled.mapping);
  }
};

}  // namespace

std::optional<PaymentRow> image(const PaymentRow& row, Side from, Side to) {
  auto out = row;
  if (from == Side::legacy && to == Side::new_side) out.amount *= kHundredths;
  if (from == Side::new_side && to == Side::legacy) {
    if (row.amount % kHundredths != 0) return std::nullopt;
    out.amount /= kHundredths;
  }
  return out;
}

std::string show(RowKey key) {
  return fmt::format("{} {}", key.table == PaymentTable::payments ? "payment" : "line", key.number);
}

std::string show(const std::optional<PaymentRow>& row) {
  if (!row) return "nothing";
  return fmt::format("account {}, amount {}, code {}, note {}", row->account, row->amount, row->code,
                     row->note);
}

CohortId cohort_of_account(std::int64_t account) {
  static const auto cohorts = [] {
    std::array<CohortId, kAccounts> out;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = cohort_of(payment_cohorts(), std::to_string(i));
    return out;
  }();
  return cohorts[static_cast<std::size_t>(account)];
}

const CohortTable& payment_cohorts() {
  static const CohortTable table = [] {
    CohortTable out{"account", "salt", {}, {}};
    for (std::uint32_t bucket = 0; bucket < kBucketCount; ++bucket)
      out.by_bucket.emplace_back(bucket * kCohorts / kBucketCount);
    return out;
  }();
  return table;
}

const TableMapping& mapping_of(PaymentTable table, Course course) {
  static const std::array mappings = {Mappings(PaymentTable::payments), Mappings(PaymentTable::lines)};
  const auto& of_table = mappings[index_of(table)];
  return course == Course::there ? of_table.there : of_table.back;
}

RelationId relation_id(PaymentTable table) {
  return RelationId(4711 + static_cast<std::uint32_t>(table));
}

Relation relation_of(PaymentTable which, Side side) {
  auto table = table_of(which, side);
  Relation relation{relation_id(which), table.name, ReplicaIdentity::full, {}};
  for (const auto& column : table.columns)
    relation.columns.push_back({column.name, column.type.oid, -1, true});
  return relation;
}

std::string tuple_of(std::int64_t number, const PaymentRow& row, bool note_unsent) {
  auto number_bytes = test::int8_bytes(number), account = test::int8_bytes(row.account),
       amount = test::int8_bytes(row.amount), code = test::int8_bytes(row.code);
  return make_tuple_bytes(std::vector{Field::value(number_bytes), Field::value(account), Field::value(amount),
                                      row.code == 0 ? Field::null() : Field::value(code),
                                      note_unsent ? Field::unsent() : Field::value(row.note)});
}

std::string key_tuple_of(std::int64_t number) {
  return test::key_of(number);
}

RowKey row_key(std::uint32_t table, std::string_view key_tuple) {
  return {static_cast<PaymentTable>(table), number_in(key_tuple)};
}

std::int64_t number_in(std::string_view tuple) {
  return read_big_endian<std::int64_t>(field_at(tuple, 0).bytes.data());
}

PaymentRow row_in(std::string_view tuple) {
  FieldReader fields(tuple);
  fields.next();
  auto number = [&] {
    auto field = fields.next();
    return field.kind == Field::Kind::value ? read_big_endian<std::int64_t>(field.bytes.data()) : 0;
  };
  PaymentRow row;
  row.account = number();
  row.amount = number();
  row.code = number();
  row.note = fields.next().bytes;
  return row;
}

}  // namespace oxbow::sim
