#include "services/pipeline/finding_book.hpp"

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>

namespace oxbow {
namespace {

using testing::ElementsAre;

// Notes what it is asked, in order.
class NotingStore : public FindingStore {
 public:
  Status record_all(const std::vector<Finding>& findings, WallTime) override {
    asked.push_back("record " + std::to_string(findings.size()));
    return {};
  }
  Result<std::uint64_t> close(const FindingSelection&, std::string_view ending, WallTime) override {
    asked.push_back("close: " + std::string(ending));
    return 0;
  }
  Result<std::vector<StoredFinding>> list_findings(const FindingQuery&) override { return {}; }
  Result<std::uint64_t> count_findings(const FindingQuery&) override { return 0; }

  std::vector<std::string> asked;
};

class FindingBookTest : public testing::Test {
 protected:
  void report(int count) {
    for (int i = 0; i < count; ++i)
      book_.report({.kind = FindingKind::divergence, .key = "id=" + std::to_string(i)});
  }

  boost::asio::io_context context_;
  NotingStore store_;
  FindingBook book_{context_.get_executor(), store_, [] { return WallTime{}; }};
};

TEST_F(FindingBookTest, FindingsOfOneTurnAreOneWrite) {
  report(1000);
  EXPECT_THAT(store_.asked, ElementsAre());
  context_.run();
  EXPECT_THAT(store_.asked, ElementsAre("record 1000"));
}

TEST_F(FindingBookTest, WhatComesLaterIsAWriteOfItsOwn) {
  report(2);
  context_.run();
  context_.restart();
  report(1);
  context_.run();
  EXPECT_THAT(store_.asked, ElementsAre("record 2", "record 1"));
}

TEST_F(FindingBookTest, NothingIsClosedBeforeWhatWasReportedIsWritten) {
  report(1);
  book_.close({}, "it is over");
  report(1);
  context_.run();
  EXPECT_THAT(store_.asked, ElementsAre("record 1", "close: it is over", "record 1"));
}

}  // namespace
}  // namespace oxbow
