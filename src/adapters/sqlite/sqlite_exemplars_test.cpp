#include "adapters/sqlite/sqlite_exemplars.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class Exemplars : public testing::Test {
 protected:
  Exemplars() {
    std::string name = "/tmp/oxbow_exemplars_XXXXXX";
    directory_ = ::mkdtemp(name.data());
    path = directory_ + "/exemplars.db";
  }
  ~Exemplars() override {
    store.reset();
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
    std::filesystem::remove_all(directory_);
  }

  // Returns the complaint.
  std::string open(ExemplarBounds bounds = {}) {
    store.reset();
    auto opened = SqliteExemplars::open(path, bounds);
    EXPECT_TRUE(opened) << to_string(opened.error());
    if (!opened) return {};
    store = std::move(opened->store);
    return opened->complaint;
  }

  std::vector<std::string> kept_ids() {
    std::vector<std::string> ids;
    auto clusters = store->load();
    EXPECT_TRUE(clusters) << to_string(clusters.error());
    for (const auto& cluster : *clusters) ids.push_back(cluster.id);
    return ids;
  }

  std::uintmax_t bytes_on_disk() {
    std::uintmax_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_)) bytes += file.file_size();
    return bytes;
  }

  std::string all_bytes() {
    std::string bytes;
    for (const auto& file : std::filesystem::directory_iterator(directory_)) {
      std::ifstream stream(file.path(), std::ios::binary);
      bytes.append(std::istreambuf_iterator<char>(stream), {});
    }
    return bytes;
  }

  void overwrite(std::string_view bytes) {
    store.reset();
    for (const auto* companion : {"-wal", "-shm"}) std::filesystem::remove(path + companion);
    std::ofstream(path, std::ios::trunc) << bytes;
  }

  std::string directory_;
  std::string path;
  std::unique_ptr<SqliteExemplars> store;
};

ExemplarPair pair_of(std::string body) {
  return {.at = WallTime(7s),
          .request = "GET /a/1",
          .legacy = {.status = 200, .value = "12", .body = std::move(body)},
          .new_side = {.status = 500, .value = "", .body = "{}"}};
}

DifferenceCluster cluster(std::string id, int seen_s, std::vector<ExemplarPair> pairs = {}) {
  return {.id = id,
          .signature = {"GET /a", "$." + id, "value", "number / number"},
          .count = 3,
          .first_seen = WallTime(1s),
          .last_seen = WallTime(std::chrono::seconds(seen_s)),
          .exemplars = std::move(pairs)};
}

TEST_F(Exemplars, WhatIsReplacedIsNowhereOnTheDisk) {
  open();
  ASSERT_TRUE(store->save({cluster("one", 1, {pair_of("DE89" + std::string(5000, 'x'))})}));
  EXPECT_THAT(all_bytes(), HasSubstr("DE89"));
  ASSERT_TRUE(store->save({cluster("one", 1, {pair_of("[redacted]")})}));
  EXPECT_THAT(all_bytes(), Not(HasSubstr("DE89")));
}

TEST_F(Exemplars, SurviveARestart) {
  open();
  std::string odd("\0\xff ä\n", 6);
  std::vector saved{cluster("b", 3, {pair_of("{}"), pair_of(odd)}), cluster("a", 2)};
  ASSERT_TRUE(store->save(saved));
  EXPECT_THAT(open(), IsEmpty());
  EXPECT_EQ(*store->load(), saved);
}

TEST_F(Exemplars, AClusterSavedAgainIsReplaced) {
  open();
  ASSERT_TRUE(store->save({cluster("a", 2, {pair_of("1"), pair_of("2")})}));
  auto again = cluster("a", 9, {pair_of("3")});
  again.count = 5;
  ASSERT_TRUE(store->save({again}));
  EXPECT_THAT(*store->load(), ElementsAre(again));
}

TEST_F(Exemplars, WhatWasNotSeenForLongestGivesRoom) {
  open({.clusters_max = 2});
  ASSERT_TRUE(store->save({cluster("old", 1), cluster("new", 3), cluster("middle", 2)}));
  EXPECT_THAT(kept_ids(), ElementsAre("new", "middle"));
  ASSERT_TRUE(store->save({cluster("newest", 4)}));
  EXPECT_THAT(kept_ids(), ElementsAre("newest", "new"));
}

TEST_F(Exemplars, BytesAreBoundedInTheRowsAndOnTheDisk) {
  constexpr std::uint64_t kMax = 1 << 20;
  open({.bytes_max = kMax});
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(store->save({cluster(std::to_string(i), i, {pair_of(std::string(40'000, 'x'))})}));
  std::uint64_t kept = 0;
  for (const auto& each : *store->load())
    for (const auto& pair : each.exemplars) kept += pair.bytes();
  EXPECT_LE(kept, kMax);
  EXPECT_GT(kept, kMax / 2);
  store.reset();
  EXPECT_LT(bytes_on_disk(), 2 * kMax);
}

TEST_F(Exemplars, SomeCanBeForgotten) {
  open();
  auto one = cluster("a", 2, {pair_of("{}")}), other = cluster("b", 3, {pair_of("{}")}),
       third = cluster("c", 1);
  ASSERT_TRUE(store->save({one, other, third}));
  ASSERT_TRUE(store->forget({one.signature, cluster("d", 1).signature, third.signature}));
  EXPECT_THAT(*store->load(), ElementsAre(other));
}

TEST_F(Exemplars, OnlyTheOwnerMayReadThem) {
  open();
  ASSERT_TRUE(store->save({cluster("a", 2)}));
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    struct stat found = {};
    ASSERT_EQ(::stat(file.path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u) << file.path();
  }
}

TEST_F(Exemplars, ADamagedFileIsMovedAsideAndSaidSoInOneSentence) {
  open();
  ASSERT_TRUE(store->save({cluster("a", 2)}));
  overwrite(std::string(5000, 'n'));
  auto complaint = open();
  EXPECT_EQ(complaint,
            fmt::format("exemplar pairs of differences begin anew: {} could not be read and is now "
                        "{}.damaged",
                        path, path));
  EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
  EXPECT_THAT(kept_ids(), IsEmpty());
  EXPECT_TRUE(store->save({cluster("a", 2)}));
  EXPECT_THAT(open(), IsEmpty());
}

TEST_F(Exemplars, ADamagedPageIsFoundWhenTheFileIsOpened) {
  open();
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(store->save({cluster(std::to_string(i), i, {pair_of(std::string(500, 'x'))})}));
  store.reset();
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(100, '\x55');
  file.close();
  EXPECT_THAT(open(), HasSubstr("begin anew"));
}

TEST_F(Exemplars, AFileOfAnotherFormatIsMovedAside) {
  open();
  store.reset();
  auto command = fmt::format("sqlite3 {} 'PRAGMA user_version = 99'", path);
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_THAT(open(), HasSubstr("begin anew"));
}

// A limit on the size of files stands for the full disk.
TEST_F(Exemplars, AFullDiskIsSaidInOneSentenceAndOverOnceThereIsRoom) {
  open();
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight{256 * 1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  Status status;
  int saved = 0;
  for (; saved < 100 && status; ++saved)
    status = store->save({cluster(std::to_string(saved), saved, {pair_of(std::string(10'000, 'x'))})});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);

  ASSERT_FALSE(status);
  EXPECT_EQ(
      status.error().detail,
      fmt::format(
          "exemplar pairs of differences are not kept on disk, and nothing else is affected: {}: the disk "
          "is full or the file cannot be written; they are kept again as soon as it can",
          path));
  EXPECT_TRUE(store->save({cluster("after", 1000)}));
  EXPECT_THAT(open(), IsEmpty());
  EXPECT_THAT(kept_ids(), SizeIs(saved)) << "all that were reported as kept, and the one after";
}

TEST_F(Exemplars, APlaceWhereNothingCanBeKeptIsAnErrorThatSaysSo) {
  auto nowhere = directory_ + "/missing/exemplars.db";
  auto opened = SqliteExemplars::open(nowhere, {});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, HasSubstr("not kept on disk, and nothing else is affected"));
  EXPECT_THAT(opened.error().detail, HasSubstr(nowhere));
  EXPECT_THAT(opened.error().detail, Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace oxbow
