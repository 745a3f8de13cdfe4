#include "ports/row_trial.hpp"
#include "adapters/postgres/postgres.hpp"
#include "integration/postgres/fixture.hpp"

namespace oxbow::postgres {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RowTrialTest : public DatabaseTest {
 protected:
  // Why the table refuses these tuples; empty: it takes them all.
  std::string refusal(const std::vector<std::string>& tuples) {
    std::string bytes;
    for (const auto& each : tuples) bytes += each;
    return must(trial_->refusal(bytes)).value_or("");
  }

  std::unique_ptr<RowTrial> trial_ = make_row_trial(url(), "trial_" + database_);
};

TEST_F(RowTrialTest, TriesWhatATableDemandsOfEachRowAndWritesNothing) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY, v int NOT NULL CHECK (v > 0), d int DEFAULT 1 NOT NULL)");
  TargetTable t{.name = {"public", "t"},
                .columns = {{.name = "id", .sql_type = "integer"}, {.name = "v", .sql_type = "integer"}}};
  must(trial_->begin(t));
  EXPECT_EQ(refusal({tuple({int4(1), int4(5)}), tuple({int4(2), int4(6)})}), "");
  EXPECT_THAT(refusal({tuple({int4(1), int4(5)}), tuple({int4(2), int4(0)})}), HasSubstr("t_v_check"));
  EXPECT_THAT(refusal({tuple({int4(1), std::nullopt})}), HasSubstr("not-null"));
  EXPECT_EQ(refusal({tuple({int4(1), int4(5)})}), "");
  EXPECT_EQ(sql_value("SELECT count(*) FROM public.t"), "0");
}

// The legacy value of `v` travels behind the columns and is in no new table.
class ComputedColumn : public RowTrialTest {
 protected:
  ComputedColumn() {
    sql("CREATE DOMAIN public.share AS numeric NOT NULL CHECK (VALUE < 1);"
        "CREATE TABLE public.t (id int PRIMARY KEY, s public.share)");
  }

  TargetTable computed_by(const std::string& expression) const {
    return {.name = {"public", "t"},
            .columns = {{.name = "id", .sql_type = "integer"},
                        {.name = "s", .sql_type = "public.share", .sql = expression}},
            .staged_only = {{.name = "legacy v", .sql_type = "integer"}}};
  }
  static std::string row(std::int32_t id, std::int32_t v) { return tuple({int4(id), std::nullopt, int4(v)}); }
};

TEST_F(ComputedColumn, IsEvaluatedByTheDatabaseForEveryRow) {
  must(trial_->begin(computed_by("(1.0 / s.\"legacy v\")")));
  EXPECT_EQ(refusal({row(1, 2), row(2, 3)}), "");
  EXPECT_THAT(refusal({row(1, 2), row(2, 1)}), HasSubstr("share_check"));
  EXPECT_THAT(refusal({row(1, 2), row(2, 0)}), HasSubstr("division by zero"));
  EXPECT_EQ(refusal({row(1, 2)}), "");
  EXPECT_EQ(sql_value("SELECT count(*) FROM public.t"), "0");
}

TEST_F(ComputedColumn, MayBeNullOnlyWhereItsTypeTakesNull) {
  must(trial_->begin(computed_by("nullif(s.\"legacy v\", 0)")));
  EXPECT_EQ(refusal({row(1, -1)}), "");
  EXPECT_THAT(refusal({row(1, 0)}), HasSubstr("does not allow null"));
}

TEST_F(ComputedColumn, WhoseSqlIsNotUnderstoodIsNamed) {
  for (const auto* wrong : {"nobody_knows(s.\"legacy v\")", "s.\"legacy v\" +", "now()"}) {
    auto refused = run(trial_->begin(computed_by(wrong)));
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::spec_invalid);
    EXPECT_THAT(refused.error().detail, HasSubstr("cannot evaluate the sql of public.t.s: 42"));
  }
}

TEST_F(ComputedColumn, AreAllNamedWhoseSqlIsNotUnderstood) {
  auto table = computed_by("1 +");
  table.columns[0].sql = "no_such_column";
  auto refused = run(trial_->begin(table));
  EXPECT_THAT(refused.error().detail,
              AllOf(HasSubstr("public.t.id:"), HasSubstr("\n"), HasSubstr("public.t.s:")));
}

TEST_F(ComputedColumn, OfOneTableDoesNotShowInTheNext) {
  must(trial_->begin(computed_by("1.0 / s.\"legacy v\"")));
  TargetTable plain = computed_by("");
  plain.staged_only.clear();
  plain.columns.pop_back();
  sql("CREATE TABLE public.u (id int)");
  plain.name = {"public", "u"};
  must(trial_->begin(plain));
  EXPECT_EQ(refusal({tuple({int4(1)})}), "");
}

}  // namespace
}  // namespace oxbow::postgres
