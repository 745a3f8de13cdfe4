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

Table table_of(Side side) {
  bool is_legacy = side == Side::legacy;
  Table table;
  table.name = is_legacy ? TableName{"public", "payments"} : TableName{"ledger", "payment"};
  table.columns = {{.name = "number", .type = test::builtin("int8", 20), .nullable = false},
                   {.name = "account", .type = test::builtin("int8", 20), .nullable = false},
                   {.name = is_legacy ? "amount" : "minor", .type = test::builtin("int8", 20)},
                   {.name = "code", .type = test::builtin("int8", 20)},
                   {.name = "note", .type = test::builtin("text", 25)}};
  table.indexes = {{.name = "by_number", .columns = {"number"}, .unique = true, .primary = true}};
  if (is_legacy) table.indexes.push_back({.name = "by_code", .columns = {"code"}, .unique = true});
  return table;
}

struct Mappings {
  TableMapping there, back;

  Mappings() {
    auto legacy = table_of(Side::legacy), fresh = table_of(Side::new_side);
    TableSpec spec{.legacy = legacy.name, .new_side = fresh.name};
    spec.columns = {{.op = ColumnOp::scale, .legacy = {"amount"}, .new_side = {"minor"}, .argument = "100"}};
    EntitySpec entity{.name = "payment", .key = "account", .tables = {spec}};
    for (std::uint32_t i = 0; i < kCohorts; ++i) entity.cohorts.push_back({.name = fmt::format("c{}", i)});
    there = taken(compile_mapping(entity, spec, legacy, fresh));
    back = taken(compile_inverse(entity, spec, legacy, fresh, there));
  }

  static TableMapping taken(CompiledMapping compiled) {
    OXBOW_ASSERT(compiled.mapping, "{}", compiled.problems.front().sentence);
    return *std::move(compiled.mapping);
  }
};

}  // namespace

std::optional<Payment> image(const Payment& payment, Side from, Side to) {
  auto out = payment;
  if (from == Side::legacy && to == Side::new_side) out.amount *= kHundredths;
  if (from == Side::new_side && to == Side::legacy) {
    if (payment.amount % kHundredths != 0) return std::nullopt;
    out.amount /= kHundredths;
  }
  return out;
}

std::string show(const std::optional<Payment>& payment) {
  if (!payment) return "nothing";
  return fmt::format("account {}, amount {}, code {}, note {}", payment->account, payment->amount,
                     payment->code, payment->note);
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

const TableMapping& payment_mapping(Course course) {
  static const Mappings mappings;
  return course == Course::there ? mappings.there : mappings.back;
}

Relation payment_relation(Side side) {
  auto table = table_of(side);
  Relation relation{kPaymentRelation, table.name, ReplicaIdentity::full, {}};
  for (const auto& column : table.columns)
    relation.columns.push_back({column.name, column.type.oid, -1, true});
  return relation;
}

std::string tuple_of(std::int64_t number, const Payment& payment, bool note_unsent) {
  auto number_bytes = test::int8_bytes(number), account = test::int8_bytes(payment.account),
       amount = test::int8_bytes(payment.amount), code = test::int8_bytes(payment.code);
  return make_tuple_bytes(std::vector{Field::value(number_bytes), Field::value(account), Field::value(amount),
                                      payment.code == 0 ? Field::null() : Field::value(code),
                                      note_unsent ? Field::unsent() : Field::value(payment.note)});
}

std::string key_tuple_of(std::int64_t number) {
  return test::key_of(number);
}

std::int64_t number_in(std::string_view tuple) {
  return read_big_endian<std::int64_t>(field_at(tuple, 0).bytes.data());
}

Payment payment_in(std::string_view tuple) {
  FieldReader fields(tuple);
  fields.next();
  auto number = [&] {
    auto field = fields.next();
    return field.kind == Field::Kind::value ? read_big_endian<std::int64_t>(field.bytes.data()) : 0;
  };
  Payment payment;
  payment.account = number();
  payment.amount = number();
  payment.code = number();
  payment.note = fields.next().bytes;
  return payment;
}

}  // namespace oxbow::sim
