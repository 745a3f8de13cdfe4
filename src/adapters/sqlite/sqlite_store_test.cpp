#include "adapters/sqlite/sqlite_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/lifecycle/machine.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::UnorderedElementsAre;

// A store in a directory of its own.
class Store : public testing::Test {
 protected:
  Store() {
    std::string name = "/tmp/oxbow_store_XXXXXX";
    directory_ = ::mkdtemp(name.data());
    path = directory_ + "/oxbow.db";
    open();
  }
  ~Store() override {
    store.reset();
    std::filesystem::remove_all(directory_);
  }

  void open() {
    store.reset();
    auto opened = SqliteStore::open(path);
    ASSERT_TRUE(opened) << to_string(opened.error());
    store = std::move(*opened);
  }

  Error open_error() {
    store.reset();
    auto opened = SqliteStore::open(path);
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }

  Status append(std::string body) {
    auto next = head;
    auto status = store->append({chain(next, std::move(body))});
    if (status) head = next;
    return status;
  }

  // Overwrites one byte of the file as a failing disk would.
  void flip(std::size_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    char byte = static_cast<char>(file.get() ^ 0x55);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }

  void flip_first(std::string_view text) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    auto found = bytes.find(text);
    ASSERT_NE(found, std::string::npos);
    flip(found);
  }

  std::string directory_;
  std::string path;
  std::unique_ptr<SqliteStore> store;
  ChainHead head;
};

TEST_F(Store, KeepsTheJournalInOrderAcrossRestarts) {
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(append(fmt::format("record {}", i)));
  open();
  auto all = store->read_after(0, 100);
  ASSERT_THAT(*all, SizeIs(5));
  EXPECT_EQ((*all)[4].body, "record 5");
  ChainHead replayed;
  EXPECT_TRUE(verify_chain(replayed, *all));
  EXPECT_EQ(replayed, head);
  EXPECT_EQ(store->read_after(3, 1)->front().number, 4u);
  EXPECT_EQ(store->read_last(2)->front().number, 4u);
}

TEST_F(Store, RefusesARecordThatDoesNotContinueTheChain) {
  ASSERT_TRUE(append("first"));
  ChainHead stranger;
  EXPECT_EQ(store->append({chain(stranger, "another first")}).error().code, ErrorCode::internal);
  ChainHead next = head;
  auto second = chain(next, "second");
  auto fork = next;
  fork.hash = std::string(64, 'f');
  EXPECT_FALSE(store->append({second, chain(fork, "third")})) << "all or none";
  EXPECT_THAT(*store->read_after(0, 10), SizeIs(1));
}

TEST_F(Store, RecordsCannotBeChangedThroughSqlEither) {
  ASSERT_TRUE(append("first"));
  auto command = fmt::format("sqlite3 {} \"DELETE FROM journal\" 2>/dev/null", path);
  EXPECT_NE(std::system(command.c_str()), 0);
  EXPECT_THAT(*store->read_after(0, 10), SizeIs(1));
}

TEST_F(Store, ARecordTamperedWithInTheFileBreaksTheChain) {
  ASSERT_TRUE(append("a long enough body to be found in the file"));
  ASSERT_TRUE(append("and one behind it"));
  store.reset();
  flip_first("long enough");
  open();
  ChainHead replayed;
  auto status = verify_chain(replayed, *store->read_after(0, 10));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::store_corrupt);
  EXPECT_THAT(status.error().detail, HasSubstr("record 1 of the journal"));
}

TEST_F(Store, ADamagedPageIsFoundWhenTheStoreIsOpened) {
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(append(std::string(200, 'x')));
  store.reset();
  // The header of the table's root page: the page type and the place of its cells.
  for (std::size_t i = 0; i < 8; ++i) flip(4096 + i);
  auto error = open_error();
  EXPECT_EQ(error.code, ErrorCode::store_corrupt);
  EXPECT_THAT(error.detail, HasSubstr("put back a copy of it"));
}

TEST_F(Store, AFileThatIsNoStoreIsNotTouched) {
  store.reset();
  std::ofstream(path, std::ios::trunc) << std::string(5000, 'n');
  EXPECT_EQ(open_error().code, ErrorCode::store_corrupt);
  EXPECT_EQ(std::filesystem::file_size(path), 5000u);
}

TEST_F(Store, AFormatOfANewerOxbowIsRefused) {
  store.reset();
  ASSERT_EQ(std::system(fmt::format("sqlite3 {} 'PRAGMA user_version = 9'", path).c_str()), 0);
  auto error = open_error();
  EXPECT_EQ(error.code, ErrorCode::store_corrupt);
  EXPECT_THAT(error.detail, HasSubstr("has format 9"));
}

// A limit on the size of files stands for the full disk: it fails the same write calls, for every user.
TEST_F(Store, AFullDiskIsReportedLosesNothingAndIsOverOnceThereIsRoom) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight{256 * 1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  Status status;
  int written = 0;
  for (; written < 1000 && status; ++written) status = append(std::string(10'000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::store_full);
  EXPECT_THAT(status.error().detail, HasSubstr("free space and run `oxbow up` again; nothing was lost"));
  EXPECT_TRUE(append("there is room again"));
  open();
  auto all = *store->read_after(0, 2000);
  EXPECT_THAT(all, SizeIs(written)) << "all that were reported as written, and the one after";
  ChainHead replayed;
  EXPECT_TRUE(verify_chain(replayed, all));
}

TEST_F(Store, ASecondProcessIsRefusedWithTheNumberOfTheFirst) {
  auto child = ::fork();
  if (child == 0) {
    auto second = SqliteStore::open(path);
    bool refused =
        !second && second.error().code == ErrorCode::already_running &&
        second.error().detail.find(fmt::format("process {} holds", ::getppid())) != std::string::npos;
    ::_exit(refused ? 0 : 1);
  }
  int outcome = -1;
  ASSERT_EQ(::waitpid(child, &outcome, 0), child);
  EXPECT_EQ(outcome, 0);
}

TEST_F(Store, CanBeReadBesideTheOneThatWrites) {
  ASSERT_TRUE(append("first"));
  auto reader = SqliteStore::open_to_read(path);
  ASSERT_TRUE(reader) << to_string(reader.error());
  EXPECT_THAT(*(*reader)->read_after(0, 10), SizeIs(1));
  EXPECT_FALSE(
      (*reader)->record({FindingKind::drift, "", "public.payments", "", "changed", "", ""}, WallTime{}));
  ASSERT_TRUE(append("second"));
  EXPECT_THAT(*(*reader)->read_after(0, 10), SizeIs(2));
  EXPECT_EQ(SqliteStore::open_to_read(directory_ + "/none.db").error().code, ErrorCode::not_found);
}

TEST_F(Store, ADirectoryThatIsNotThereIsNamed) {
  auto opened = SqliteStore::open(directory_ + "/nowhere/oxbow.db");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, HasSubstr("/nowhere/oxbow.db.lock (No such file or directory)"));
}

TEST_F(Store, TheSameFindingIsCountedAndCanBeClosedAndOpenedAgain) {
  auto at = [](int second) { return WallTime(std::chrono::seconds(second)); };
  Finding finding{
      FindingKind::divergence, "payment", "public.payments", "payment_id=1", "differs", "status", "ann"};
  Finding other{
      FindingKind::divergence, "payment", "public.payments", "payment_id=2", "differs", "status", "ann"};
  ASSERT_TRUE(store->record_all({finding, other}, at(1)));
  finding.detail = "status and amount";
  ASSERT_TRUE(store->record(finding, at(2)));

  auto open = *store->list_findings({});
  ASSERT_THAT(open, SizeIs(2));
  EXPECT_EQ(open[0].finding, finding) << "newest first, with its newest detail";
  EXPECT_EQ(open[0].count, 2u);
  EXPECT_EQ(open[0].first_seen, at(1));
  EXPECT_EQ(open[0].last_seen, at(2));

  EXPECT_EQ(store->close({.id = open[0].id}, "proven equal at 0/10", at(3)), 1u);
  EXPECT_EQ(*store->count_findings({}), 1u);
  auto all = *store->list_findings({.with_closed = true});
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].ending, "proven equal at 0/10");
  ASSERT_TRUE(store->record(finding, at(4)));
  EXPECT_EQ(*store->count_findings({}), 2u);
  EXPECT_EQ((*store->list_findings({}))[0].ending, "") << "a finding that comes again is open again";
  EXPECT_EQ((*store->list_findings({}))[0].id, open[0].id);
}

// Every start of the stream tells all rogue writes once more.
TEST_F(Store, ARogueWriteThatIsToldAgainIsNoNewsAndStaysClosed) {
  auto at = [](int second) { return WallTime(std::chrono::seconds(second)); };
  Finding write{
      FindingKind::rogue_write, "", "shop.customer", "write 1", "ann wrote at 10:00", "before:", ""};
  ASSERT_TRUE(store->record(write, at(1)));
  ASSERT_TRUE(store->record(write, at(2)));
  auto open = *store->list_findings({});
  ASSERT_THAT(open, SizeIs(1));
  EXPECT_EQ(open[0].count, 1u);
  EXPECT_EQ(open[0].last_seen, at(1));
  EXPECT_EQ(store->close({.id = open[0].id}, "closed by ann", at(3)), 1u);
  ASSERT_TRUE(store->record(write, at(4)));
  EXPECT_EQ(*store->count_findings({}), 0u);

  write.sentence = "bob wrote at 11:00";  // numbers begin anew where oxbow was removed and came back
  ASSERT_TRUE(store->record(write, at(5)));
  EXPECT_EQ(*store->count_findings({}), 1u);
}

TEST_F(Store, WhatIsClosedIsChosenByAnythingThatAFindingHasButWhatStillHolds) {
  auto record = [&](FindingKind kind, std::string entity, std::string table, std::string key) {
    ASSERT_TRUE(store->record({kind, entity, table, key, "", "", ""}, WallTime{}));
  };
  auto left = [&] {
    std::vector<std::string> keys;
    for (const auto& stored : *store->list_findings({})) keys.push_back(stored.finding.key);
    return keys;
  };
  record(FindingKind::divergence, "payment", "public.payments", "a");
  record(FindingKind::divergence, "payment", "public.payments", "b");
  record(FindingKind::divergence, "payment", "public.refunds", "c");
  record(FindingKind::quarantined_row, "customer", "public.customers", "d");
  record(FindingKind::drift, "", "", "e");

  FindingSelection payments{.kind = FindingKind::divergence, .table = "public.payments"};
  payments.but = {{"public.payments", "b"}};
  EXPECT_EQ(store->close(payments, "gone", WallTime{}), 1u);
  EXPECT_THAT(left(), UnorderedElementsAre("b", "c", "d", "e"));
  EXPECT_EQ(store->close({.entity = "payment"}, "back in legacy", WallTime{}), 2u);
  EXPECT_EQ(store->close({.table = "public.customers", .key = "d"}, "released", WallTime{}), 1u);
  EXPECT_EQ(store->close({.table = "public.customers", .key = "d"}, "released", WallTime{}), 0u);
  EXPECT_EQ(store->close({.seen_before = WallTime{}}, "too late", WallTime{}), 0u);
  EXPECT_THAT(left(), ElementsAre("e"));
}

TEST_F(Store, FindingsAreListedAPageAtATimeAndCountedAsAWhole) {
  for (int i = 0; i < 5; ++i) {
    auto kind = i < 3 ? FindingKind::divergence : FindingKind::rogue_write;
    ASSERT_TRUE(
        store->record({kind, "", "t", std::to_string(i), "", "", ""}, WallTime(std::chrono::seconds(i))));
  }
  auto page = *store->list_findings({.skip = 1, .limit = 2});
  ASSERT_THAT(page, SizeIs(2));
  EXPECT_EQ(page[0].finding.key, "3");
  EXPECT_EQ(*store->count_findings({.skip = 1, .limit = 2}), 5u);
  EXPECT_EQ(*store->count_findings({.kind = FindingKind::divergence}), 3u);
  EXPECT_THAT(*store->list_findings({.kind = FindingKind::rogue_write}), SizeIs(2));
}

}  // namespace
}  // namespace oxbow
