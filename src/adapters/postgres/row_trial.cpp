#include "adapters/postgres/row_trial.hpp"

#include "adapters/postgres/session.hpp"
#include "model/catalog.hpp"
#include "protocol/copy_binary.hpp"

namespace oxbow::postgres {

Task<void> PgRowTrial::begin(const TargetTable& table) {
  CO_TRY(co_await ensure_open(connection_, settings_, ""));
  columns_.clear();
  for (const auto& column : table.columns)
    columns_ += (columns_.empty() ? "" : ", ") + quote_identifier(column.name);
  auto create = fmt::format(
      "DROP TABLE IF EXISTS pg_temp.oxbow_trial; CREATE TEMP TABLE oxbow_trial (LIKE {} INCLUDING "
      "CONSTRAINTS INCLUDING "
      "DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY)",
      quoted(table.name));
  CO_TRY(co_await connection_->exec(std::move(create)));
  co_return Status{};
}

Task<std::optional<std::string>> PgRowTrial::refusal(std::string_view tuples) {
  CO_TRY(co_await connection_->exec("BEGIN"));
  auto copied = co_await copy(tuples);
  if (!copied && copied.error().code != ErrorCode::row_rejected) co_return std::unexpected(copied.error());
  CO_TRY(co_await connection_->exec("ROLLBACK"));
  if (copied) co_return std::optional<std::string>();
  co_return std::optional(copied.error().detail);
}

Task<void> PgRowTrial::copy(std::string_view tuples) {
  CO_TRY(co_await connection_->copy_in_begin(
      fmt::format("COPY pg_temp.oxbow_trial ({}) FROM STDIN (FORMAT binary)", columns_)));
  CO_TRY(co_await connection_->copy_in_write(copy_binary_header()));
  CO_TRY(co_await connection_->copy_in_write(tuples));
  CO_TRY(co_await connection_->copy_in_write(copy_binary_trailer()));
  CO_TRY(co_await connection_->copy_in_end());
  co_return Status{};
}

}  // namespace oxbow::postgres
