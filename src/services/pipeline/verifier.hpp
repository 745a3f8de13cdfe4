// Compares both ends of a stream at one logical point, while the stream goes on. For a stretch of ranges: a
// snapshot of the source, a marker behind it in the log, and a snapshot of the target at the moment when the
// stream has applied exactly what stands before the marker. Keys that the target already has from
// transactions that the first snapshot does not see are compared again in a later stretch; so are rows that
// are being read again, and everything that differs, before it counts as a divergence. One verification at a
// time; lives on the stream's executor.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/compare/range_digest.hpp"
#include "flow/apply/touched_keys.hpp"
#include "model/plane_status.hpp"
#include "services/pipeline/pace.hpp"
#include "services/pipeline/plan.hpp"
#include "services/pipeline/ports.hpp"
#include "services/pipeline/progress.hpp"
#include "services/pipeline/stream_session.hpp"

namespace oxbow {

class Verifier {
 public:
  // `report` is updated in place as the work goes on and must outlive it.
  Verifier(const Spec& spec, const Plan& plan, const StreamPorts& ports, SourceAdmin& source,
           StreamSession& session, std::function<void(Finding)> report_finding, FindingCloser close_findings,
           VerifyReport& report, std::uint64_t rows_per_second_max);
  ~Verifier();

  // For what follows: of this entity only one cohort.
  void look_only_at(const std::string& entity, CohortId cohort);

  // Compares just these rows (source keys; none: all of the table), each table at one logical point, as often
  // as they are in flight. What differs is in the report.
  Task<void> compare_keys(const TouchedKeys::Keys& keys);

  // The same where nothing of what is looked at changes any more and the target has all of it: at once.
  Task<void> compare_keys_at_rest(const TouchedKeys::Keys& keys);

  // Ends with report.state other than `running`, whatever happens.
  Task<void> run(const std::vector<std::uint32_t>& tables);

 private:
  // Keys of one table that wait for another look, with the source's way to name them. A key that has been
  // looked at without being in flight and still differs is a divergence.
  struct Suspect {
    KeyBound source_key;
    std::string compared_key;
  };

  enum class End { source, target };  // of the stream

  Task<void> compare_at_rest(std::uint32_t table, const TouchedKeys::Keys& keys);
  Task<void> verify_table(std::uint32_t table);
  Task<void> begin_stretch(std::uint32_t table);
  Task<void> compare_range(std::uint32_t table, const KeyRange& range);
  Task<void> look_again(std::uint32_t table);
  Task<RangeDigest> digest(SnapshotReader& reader, RangeRead read, const std::set<std::string>& excluded,
                           std::size_t key_fields, std::uint64_t* counted);
  void note_progress();
  Task<RowComparison> compare_rows(std::uint32_t table, RangeRead of_source, RangeRead of_target);
  Task<void> both(Task<void> of_source, Task<void> of_target);
  using Texts = std::vector<std::optional<std::string>>;  // of the compared columns
  using TextsByKey = std::map<std::string, Texts>;
  Task<void> tell(std::uint32_t table, std::vector<RowComparison::Found> found);
  void tell_of_the_rest(std::uint32_t table);
  Task<std::vector<Finding>> describe(std::uint32_t table, const std::vector<RowComparison::Found>& found);
  Finding describe_keyed(const PlannedTable& table, const RowComparison::Found& found, const Texts& of_source,
                         const Texts& of_target) const;
  Finding describe_row(const PlannedTable& table, const RowComparison::Found& found,
                       const Texts& texts) const;
  Finding divergence_of(const PlannedTable& table) const;
  Task<void> read_texts(std::uint32_t table, End end, std::vector<KeyBound> keys, TextsByKey& wanted);
  std::vector<const ComparedColumn*> that_count(const std::vector<ComparedColumn>& columns) const;
  std::string key_of(const TableMapping& mapping, const RowComparison::Found& found) const;
  std::string on_both_sides(std::string_view what, std::string of_source, std::string of_target) const;
  void close_settled(const PlannedTable& table);
  RangeRead read_of(std::uint32_t table, End end, const KeyRange& range, bool with_source_key) const;
  std::set<std::string> compared_keys(std::uint32_t table, const TouchedKeys::Keys& touched);
  Status cohorts_still_stand(std::uint32_t table) const;
  void suspect(std::uint32_t table, const std::string& source_key, const std::string& compared_key);

  const Spec& spec_;
  const Plan& plan_;
  const StreamPorts& ports_;
  SourceAdmin& source_;
  StreamSession& session_;
  std::function<void(Finding)> report_finding_;
  FindingCloser close_findings_;
  VerifyReport& report_;
  Pace pace_;

  // Which cohorts are compared: those that were mirrored when the verification began. None: all of them.
  std::map<std::string, std::optional<std::vector<CohortId>>> cohorts_;
  std::unique_ptr<SnapshotReader> source_reader_;
  std::unique_ptr<SnapshotReader> target_reader_;
  std::set<std::string> in_flight_;  // compared keys left out of the present stretch
  TouchedKeys::Keys touched_;        // the same as source keys
  std::vector<Suspect> suspects_;
  std::set<std::uint32_t> compared_;  // tables, to their end
  std::set<std::uint32_t> differing_;
  FindingNames divergences_;
  std::map<std::uint32_t, std::size_t> kept_;        // divergences of a table that became findings
  std::map<std::uint32_t, std::uint64_t> not_kept_;  // and those beyond that
  std::set<std::string> unnamed_;  // legacy tables with divergences that are not in `divergences_`
  WallTime findings_before_{};
  Lsn table_position_;  // the first one of the table at hand
  Instant stretch_began_{};
  Instant began_{};
  std::uint64_t seed_ = 0;
  double tables_done_ = 0;
};

}  // namespace oxbow
