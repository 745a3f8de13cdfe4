#include "services/pipeline/handover_connections.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;

constexpr Instant kGivenBack{1000s};

class HandoverConnectionsTest : public testing::Test {
 protected:
  template <class Port>
  std::function<std::unique_ptr<Port>(Side)> counted() {
    return [this](Side) -> std::unique_ptr<Port> {
      ++opened_;
      return nullptr;
    };
  }

  PipelinePorts ports_{.stream =
                           [this](Course) {
                             StreamPorts of_stream;
                             of_stream.snapshot_reader = counted<SnapshotReader>();
                             of_stream.target_admin = [this]() -> std::unique_ptr<TargetAdmin> {
                               ++opened_;
                               return nullptr;
                             };
                             return of_stream;
                           },
                       .session_watch = {},
                       .guards = counted<Guards>(),
                       .sequences = counted<Sequences>(),
                       .reader_search = {}};
  int opened_ = 0;
  HandoverConnections connections_{ports_};
};

TEST_F(HandoverConnectionsTest, ThoseOfAHandoverServeTheNextOne) {
  connections_.take_back(connections_.lend(), kGivenBack);
  auto of_first = opened_;
  connections_.lend();
  EXPECT_EQ(opened_, of_first);
}

TEST_F(HandoverConnectionsTest, WhatIsNotGivenBackIsNeverLentAgain) {
  connections_.lend();
  auto of_first = opened_;
  connections_.lend();
  EXPECT_EQ(opened_, 2 * of_first);
}

TEST_F(HandoverConnectionsTest, RestForAMinuteAndNoLonger) {
  connections_.take_back(connections_.lend(), kGivenBack);
  auto of_first = opened_;
  connections_.close_idle(kGivenBack + 1min);
  connections_.take_back(connections_.lend(), kGivenBack + 1min);
  EXPECT_EQ(opened_, of_first) << "the minute is not over yet";
  connections_.close_idle(kGivenBack + 2min);
  connections_.take_back(connections_.lend(), kGivenBack + 2min);
  EXPECT_EQ(opened_, of_first) << "each use begins it anew";
  connections_.close_idle(kGivenBack + 3min + 1s);
  connections_.lend();
  EXPECT_EQ(opened_, 2 * of_first);
}

}  // namespace
}  // namespace oxbow
