#include "core/drift/part_changes.hpp"

#include <gmock/gmock.h>

namespace oxbow {
namespace {

using Kind = PartChange::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t column(std::uint64_t number, std::uint64_t changed_by) {
  return number << 32 | changed_by;
}

// A table with a partition of its own and one below another.
class PartChangesTest : public testing::Test {
 protected:
  PartChangesTest() { now_ = before_; }

  static TablePart leaf(std::uint32_t oid, std::uint32_t parent, std::uint32_t linked_by) {
    return {.oid = oid,
            .parent = parent,
            .name = {"public", "p" + std::to_string(oid)},
            .file = oid * 10,
            .linked_by = linked_by,
            .columns = {column(1, 100), column(2, 100)},
            .seen_before = Xid(200)};
  }
  static TablePart branch(std::uint32_t oid, std::uint32_t parent, std::uint32_t linked_by) {
    auto part = leaf(oid, parent, linked_by);
    part.file = 0;
    return part;
  }

  TablePart& now(std::uint32_t oid) { return *std::ranges::find(now_.parts, oid, &TablePart::oid); }

  std::vector<std::pair<Kind, std::uint32_t>> changes() const {
    std::vector<std::pair<Kind, std::uint32_t>> out;
    for (const auto& change : part_changes(before_, now_)) out.emplace_back(change.kind, change.part.oid);
    return out;
  }

  TableParts before_{
      {"public", "root"}, 1, {branch(1, 0, 0), leaf(2, 1, 100), branch(3, 1, 101), leaf(4, 3, 102)}};
  TableParts now_;
};

TEST_F(PartChangesTest, NothingHappenedWhereNothingDiffers) {
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(PartChangesTest, ATableOfAnotherOidWasMadeAnew) {
  now_.oid = 99;
  EXPECT_THAT(changes(), ElementsAre(std::pair(Kind::made_anew, 0)));
}

TEST_F(PartChangesTest, APartitionThatWentTookItsRowsAlong) {
  std::erase_if(now_.parts, [](const TablePart& part) { return part.oid >= 3; });
  EXPECT_THAT(changes(), ElementsAre(std::pair(Kind::gone, 4)));
}

TEST_F(PartChangesTest, APartitionCreatedAsOneHasAllItsRowsInTheLog) {
  now_.parts.push_back(leaf(5, 3, 300));
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(PartChangesTest, APartitionThatWasAttachedMayHaveRowsOfBefore) {
  now_.parts.push_back(leaf(5, 1, 300));
  now(5).born_here = false;
  now(5).linked_at = 7;
  auto found = part_changes(before_, now_);
  EXPECT_THAT(changes(), ElementsAre(std::pair(Kind::attached, 5)));
  EXPECT_EQ(std::pair(found[0].since_xid, found[0].since_command), std::pair(300u, 7u));
}

TEST_F(PartChangesTest, APartitionMayComeBelowOneThatWasAttached) {
  now_.parts.push_back(branch(5, 1, 300));
  now_.parts.push_back(leaf(6, 5, 299));
  now(5).born_here = false;
  EXPECT_THAT(changes(), ElementsAre(std::pair(Kind::attached, 6)));
  EXPECT_EQ(part_changes(before_, now_)[0].since_xid, 300u);
}

TEST_F(PartChangesTest, APartitionMayHaveBeenAwayBetweenTwoLooks) {
  now(2).linked_by = 300;
  now(3).linked_by = 301;
  EXPECT_THAT(changes(), ElementsAre(std::pair(Kind::linked_anew, 2), std::pair(Kind::linked_anew, 4)));
}

TEST_F(PartChangesTest, ANewFileIsARewriteWhereAColumnChangedToo) {
  now(2).file = 21;
  now(4).file = 41;
  now(4).columns[1] = column(2, 300);
  EXPECT_THAT(changes(), ElementsAre(std::pair(Kind::replaced, 2), std::pair(Kind::rewritten, 4)));
  EXPECT_EQ(part_changes(before_, now_)[0].since_xid, 200u) << "what was written before the last look is old";
}

TEST_F(PartChangesTest, ColumnsThatComeAndGoSayNothingOfTheOthers) {
  now(2).file = 21;
  now(2).columns = {column(1, 100), column(3, 300)};
  EXPECT_THAT(changes(), ElementsAre(std::pair(Kind::replaced, 2)));
}

TEST_F(PartChangesTest, AChangedColumnWithoutANewFileKeepsItsValues) {
  now(2).columns[0] = column(1, 300);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(PartChangesTest, ANewFileOfATableWithoutPartitionsIsInTheLogOrHarmless) {
  before_ = now_ = {{"public", "plain"}, 2, {leaf(2, 0, 0)}};
  now(2).file = 21;
  EXPECT_THAT(changes(), IsEmpty());
  now(2).columns[0] = column(1, 300);
  EXPECT_THAT(changes(), ElementsAre(std::pair(Kind::rewritten, 2)));
}

TEST_F(PartChangesTest, ATruncateOfTheWholeTableReplacesAllItsFiles) {
  now(2).file = 21;
  EXPECT_FALSE(all_replaced(before_, now_));
  now(4).file = 41;
  now_.parts.push_back(leaf(5, 1, 300));
  EXPECT_TRUE(all_replaced(before_, now_));
}

}  // namespace
}  // namespace oxbow
