#include "ports/violation_counter.hpp"

#include "adapters/postgres/postgres.hpp"
#include "integration/postgres/fixture.hpp"

namespace oxbow::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ViolationCounterTest : public DatabaseTest {
 protected:
  std::unique_ptr<ViolationCounter> counter(Duration time_max) {
    return make_violation_counter(url(), "counter_" + database_, time_max);
  }
};

TEST_F(ViolationCounterTest, GivesTheCountAndTheExamples) {
  auto found =
      must(counter(std::chrono::minutes(1))->count("VALUES (7::bigint, 'id=1'), (7::bigint, 'id=2')"));
  EXPECT_EQ(found.rows, 7u);
  EXPECT_THAT(found.samples, ElementsAre("id=1", "id=2"));
  EXPECT_EQ(must(counter(std::chrono::minutes(1))->count("SELECT 1, 'a' WHERE false")).rows, 0u);
}

TEST_F(ViolationCounterTest, GivesUpInTimeAndCountsTheNext) {
  auto hasty = counter(std::chrono::milliseconds(50));
  auto error = run(hasty->count("SELECT count(*), 'x' FROM generate_series(1, 1000000000)")).error();
  EXPECT_EQ(error.code, ErrorCode::timeout);
  EXPECT_THAT(error.detail, HasSubstr("it would have taken longer than 50 ms"));
  EXPECT_EQ(must(hasty->count("SELECT 3, 'x'")).rows, 3u);
}

TEST_F(ViolationCounterTest, DoesNotQueueBehindALock) {
  sql("CREATE TABLE public.t (a int)");
  sql("BEGIN; LOCK TABLE public.t");
  auto error = run(counter(std::chrono::minutes(1))->count("SELECT count(*), 'x' FROM public.t")).error();
  EXPECT_EQ(error.code, ErrorCode::timeout);
  EXPECT_EQ(error.detail, "somebody holds a lock on the table");
}

TEST_F(ViolationCounterTest, WritesNothing) {
  sql("CREATE TABLE public.t (a int)");
  EXPECT_FALSE(
      run(counter(std::chrono::minutes(1))->count("INSERT INTO public.t VALUES (1) RETURNING 1, 'x'")));
  EXPECT_EQ(sql_value("SELECT count(*) FROM public.t"), "0");
}

}  // namespace
}  // namespace oxbow::postgres
