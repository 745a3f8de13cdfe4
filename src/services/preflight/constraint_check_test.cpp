#include "services/preflight/constraint_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <map>

namespace oxbow {
namespace {

using Verdict = PreflightItem::Verdict;
using testing::ElementsAre;
using testing::HasSubstr;

class FakeCounter : public ViolationCounter {
 public:
  Task<Violations> count(std::string sql) override {
    asked.push_back(sql);
    auto found = answers.find(sql);
    if (found == answers.end()) co_return Violations{};
    co_return found->second;
  }

  std::map<std::string, Result<Violations>> answers;
  std::vector<std::string> asked;
};

Result<std::vector<PreflightItem>> check(const std::vector<ConstraintQuestion>& questions,
                                         FakeCounter& counter) {
  boost::asio::io_context context;
  Result<std::vector<PreflightItem>> out;
  boost::asio::co_spawn(context, check_constraints(questions, counter, [](const auto&) {}),
                        [&](std::exception_ptr, auto result) { out = std::move(result); });
  context.run();
  return out;
}

ConstraintQuestion question(std::string sql) {
  return {.constraint = "unique index u (a) of n.t", .legacy = {"l", "t"}, .sql = std::move(sql)};
}

TEST(ConstraintCheck, WhatCannotBeCountedIsUnknownAndStopsNoOtherCount) {
  FakeCounter counter;
  counter.answers.emplace("first", Err(ErrorCode::timeout, "it would have taken longer than 5 min"));
  counter.answers.emplace("second", Violations{2, {"id=1", "id=2"}});
  auto silent = question("");
  silent.why_unknown = "n.t.a is filled by the new database";
  auto items = check({question("first"), silent, question("second"), question("third")}, counter);
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 4u);
  EXPECT_THAT(counter.asked, ElementsAre("first", "second", "third"));
  EXPECT_EQ((*items)[0].verdict, Verdict::unknown);
  EXPECT_THAT((*items)[0].sentence, HasSubstr("was not counted: it would have taken longer than 5 min"));
  EXPECT_EQ((*items)[1].verdict, Verdict::unknown);
  EXPECT_THAT((*items)[1].sentence, HasSubstr("n.t.a is filled by the new database"));
  EXPECT_EQ((*items)[2].verdict, Verdict::refusal);
  EXPECT_EQ((*items)[3].verdict, Verdict::ok);
}

TEST(ConstraintCheck, EndsWhenItIsAskedToStop) {
  FakeCounter counter;
  counter.answers.emplace("first", Err(ErrorCode::cancelled));
  EXPECT_FALSE(check({question("first"), question("second")}, counter));
  EXPECT_THAT(counter.asked, ElementsAre("first"));
}

}  // namespace
}  // namespace oxbow
