// Writes the projection. One session with its own replication origin, in replication role: the target's
// triggers and foreign keys do not act on rows whose consequences arrive through the log anyway.
#pragma once

#include <map>
#include <unordered_map>

#include "adapters/postgres/batch_sql.hpp"
#include "adapters/postgres/connection.hpp"
#include "adapters/postgres/range_placer.hpp"
#include "adapters/postgres/record_array.hpp"
#include "ports/target.hpp"

namespace oxbow::postgres {

class PgTargetWriter final : public TargetWriter {
 public:
  PgTargetWriter(ConnectionSettings settings, std::string migration, int lane);

  Task<void> begin() override;
  Task<void> copy_begin(const TargetTable& table) override;
  Task<void> copy_rows(const RowChunk& chunk) override;
  Task<std::uint64_t> copy_end() override;
  Task<BatchOutcome> apply(const RowBatch& batch) override;
  Task<std::vector<BatchOutcome>> apply_together(std::vector<const RowBatch*> batches) override;
  Task<void> truncate(const TargetTable& table, bool beside_copies, Xid wanted_by) override;
  Task<bool> holds_rows(RangeRead rows) override;
  Task<void> remove_rows(RangeRead rows) override;
  Task<const TargetTable*> stage(const TargetTable& table) override;
  Task<void> place(const TargetTable& table, RangeRead rows) override;
  Task<std::vector<UnplacedRow>> find_unplaced(const TargetTable& table, RangeRead rows) override;
  Task<void> save_range(const RangeRecord& record) override;
  Task<void> quarantine(const QuarantineRecord& record) override;
  Task<void> release(const QuarantineRelease& release) override;
  Task<void> commit(std::optional<StreamPosition> position) override;
  Task<void> rollback() override;

 private:
  // What this session has made for one table: a composite type, and statements prepared over it.
  struct Staging {
    BatchSql sql;
    RecordLayout layout;
    std::unordered_map<std::string, std::string> prepared;  // text, name
    bool committed = false;  // false: the type goes if this transaction is rolled back
  };

  // A table of this session that rows are collected in.
  struct Stage {
    TargetTable table;
    bool committed = false;  // false: it goes if this transaction is rolled back
  };

  Task<void> open_session();
  Task<RangePlacer> placer(const TargetTable& table, RangeRead rows);
  Task<Staging*> staging_for(const TargetTable& table);
  Task<std::string> prepared(Staging& staging, std::string sql);

  // Runs a statement over all rows of `tuples`, piece by piece; on error nothing of it has happened and the
  // transaction goes on. The results come in the order of the rows, with the number of rows before each.
  struct Piece {
    Rows result;
    std::uint64_t first = 0;
  };
  Task<std::vector<Piece>> run_in_pieces(Staging& staging, std::string sql, const std::string& tuples,
                                         std::size_t piece_bytes);

  Task<BatchOutcome> apply_insert(Staging& staging, const RowBatch& batch);
  Task<BatchOutcome> apply_update(Staging& staging, const RowBatch& batch);
  Task<BatchOutcome> apply_remove(Staging& staging, const RowBatch& batch);

  // What is left of a batch that is applied together with others.
  struct Share {
    const RowBatch* batch = nullptr;
    std::vector<std::size_t> rows;  // of the batch
    BatchOutcome outcome;

    // After a round: takes out rows that clash, and if it was the last round counts the others.
    void judge(const std::vector<bool>& found, const std::vector<bool>& clashes, bool final);
  };
  Task<bool> rewrite(Staging& staging, std::vector<Share>& shares);
  Task<std::vector<std::size_t>> find_missing(Staging& staging, const RowBatch& batch);

  ConnectionSettings settings_;
  std::string migration_;
  std::string origin_;
  std::unique_ptr<Connection> connection_;
  std::unordered_map<const TargetTable*, Staging> staging_;
  std::map<const TargetTable*, Stage> stages_;
  std::uint64_t names_made_ = 0;
  bool in_transaction_ = false;

  const TargetTable* copying_ = nullptr;
  std::uint64_t copied_rows_ = 0;  // of a copy that goes through statements
};

}  // namespace oxbow::postgres
