// The pages of `oxbow diff` as a user sees them: test/golden/diff holds a document and what is made of it.
// With OXBOW_UPDATE_GOLDEN=1 the pages are written anew.
#include "apps/diff_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace oxbow {
namespace {

using testing::HasSubstr;
using testing::Not;

namespace json = boost::json;

const Paint kPlain(false);

std::string path_of(const std::string& name) {
  return OXBOW_SOURCE_DIR "/test/golden/diff/" + name;
}

std::string read_file(const std::string& name) {
  std::ifstream file(path_of(name));
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file) << name;
  return text.str();
}

void expect_golden(const std::string& name, const std::string& actual) {
  if (std::getenv("OXBOW_UPDATE_GOLDEN")) std::ofstream(path_of(name)) << actual;
  EXPECT_EQ(actual, read_file(name));
}

json::value document() {
  return json::parse(read_file("differences.json"));
}
json::value cluster(std::size_t index) {
  return document().at("clusters").at(index);
}

TEST(DiffPage, ListsClusters) {
  expect_golden("list.txt", differences_page(document(), kPlain));
}

TEST(DiffPage, ShowsOneClusterSideBySideOnAWideTerminal) {
  expect_golden("side_by_side.txt", cluster_page(cluster(1), 0, 110, kPlain));
}

TEST(DiffPage, ShowsOneClusterOneBelowTheOtherOnANarrowTerminal) {
  expect_golden("unified.txt", cluster_page(cluster(1), 0, 80, kPlain));
}

TEST(DiffPage, ProposesARuleForNoiseWithItsEvidence) {
  expect_golden("rule.txt", proposed_rule(cluster(0)));
  EXPECT_THAT(cluster_page(cluster(0), 0, 80, kPlain), HasSubstr(proposed_rule(cluster(0))));
}

TEST(DiffPage, ProposesNothingForADifference) {
  EXPECT_EQ(proposed_rule(cluster(1)), "");
  EXPECT_EQ(proposed_rule(cluster(2)), "");
}

// The first cluster of the document, elsewhere.
std::string rule_at(std::string_view path, std::string_view kind, json::value path_begins = nullptr) {
  auto noisy = cluster(0);
  noisy.at("path_begins") = std::move(path_begins);
  noisy.at("path") = path;
  noisy.at("kind") = kind;
  auto rule = proposed_rule(noisy);
  auto begin = rule.find("{ ");
  return begin == std::string::npos ? rule : rule.substr(begin, rule.find(", why") - begin);
}

TEST(DiffPage, TheProposedRuleFitsThePlaceAndIsYaml) {
  EXPECT_EQ(rule_at("$.items[*].at", "value"), "{ ignore: '$.items[*].at'");
  EXPECT_EQ(rule_at(R"($["it's"].at)", "missing"), R"({ ignore: '$["it''s"].at')");
  EXPECT_EQ(rule_at("$.tags", "order"), "{ unordered: $.tags");
  EXPECT_EQ(rule_at("header.etag", "header"), "{ ignore_header: etag");
  EXPECT_EQ(rule_at("header.set-cookie.sid;path", "header"), "") << "no rule names a part of a field";
  EXPECT_EQ(rule_at("header.set-cookie[\"a.b\"]", "header"), "");
  EXPECT_EQ(rule_at("status", "status"), "") << "no rule makes two statuses equal";
}

TEST(DiffPage, ARuleForAPathThatIsTooLongIsOneForAllOfItsBeginning) {
  auto rule_below = [](std::string_view beginning, std::string_view kind) {
    return rule_at(std::string(beginning) + ".…0123456789ab", kind, json::value(beginning));
  };
  EXPECT_EQ(rule_below("$.a[*]", "value"), "{ ignore: '$.a[*]'");
  EXPECT_EQ(rule_below("$.a", "order"), "{ ignore: $.a") << "which array it is, is not known";
  EXPECT_EQ(rule_below("$", "value"), "") << "nothing would be compared any more";
  EXPECT_EQ(rule_below("header", "header"), "");
  auto noisy = cluster(0);
  noisy.at("path") = "$.a.…0123456789ab";
  noisy.at("path_begins") = "$.a";
  EXPECT_THAT(proposed_rule(noisy),
              HasSubstr("\nTo leave all of $.a, since its own path is too long for a rule, out"));
}

TEST(DiffPage, NoRuleIsProposedThatCouldNotBeCopied) {
  EXPECT_EQ(rule_at("$[\"a\u009bb\"]", "value"), "");
  EXPECT_EQ(rule_at("$[\"a\x1b\"]", "value"), "");
}

TEST(DiffPage, NothingReachesTheTerminalThatItWouldObey) {
  auto page = document();
  auto& odd = page.at("clusters").at(1);
  odd.at("path") = "$[\"\u009b31m\"]";
  odd.at("exemplars").at(0).at("request") = "GET /payments/\u009b31m\x1b[31m";
  for (const auto& shown : {differences_page(page, kPlain), cluster_page(odd, 0, 110, kPlain)}) {
    EXPECT_THAT(shown, Not(HasSubstr("\u009b")));
    EXPECT_THAT(shown, HasSubstr("\\x9b31m"));
    EXPECT_THAT(shown, Not(HasSubstr("\x1b")));
  }
}

TEST(DiffPage, ALongPathIsShortenedInTheListAndWholeOnItsPage) {
  auto page = document();
  auto& odd = page.at("clusters").at(1);
  auto path = "$." + std::string(300, 'n');
  odd.at("path") = path;
  EXPECT_THAT(differences_page(page, kPlain), HasSubstr(path.substr(0, 100) + "…"));
  EXPECT_THAT(cluster_page(odd, 0, 110, kPlain), HasSubstr(path));
}

TEST(DiffPage, NeverSaysThatNothingDiffersWhereSomethingDid) {
  auto page = document();
  page.at("clusters").as_array().clear();
  page.at("clusters_total") = 0;
  page.at("differed") = 812;
  page.at("clusters_gone") = 2;
  auto shown = differences_page(page, kPlain);
  EXPECT_THAT(shown, Not(HasSubstr("no differences")));
  EXPECT_THAT(shown, HasSubstr("812 requests differed, and no difference of theirs was kept\n"));
  EXPECT_THAT(shown,
              HasSubstr("12 differences found no room in a cluster (2 clusters gave way to others): "));
}

TEST(DiffPage, WhatHasNoVerdictForWantOfRoomIsNotCalledUnseen) {
  auto page = document();
  page.at("clusters").at(2).at("lacks_room") = true;
  EXPECT_THAT(differences_page(page, kPlain), HasSubstr("not judged"));
  EXPECT_THAT(differences_page(page, kPlain), Not(HasSubstr("not seen lately")));
}

TEST(DiffPage, SaysThatThereIsNothing) {
  auto empty = document();
  empty.at("clusters").as_array().clear();
  empty.at("clusters_total") = 0;
  empty.at("differences_without_room") = 0;
  empty.at("differed") = 0;
  EXPECT_THAT(differences_page(empty, kPlain), HasSubstr("\nno differences\n"));
  empty.at("eligible") = 0;
  EXPECT_THAT(differences_page(empty, kPlain), HasSubstr("no request was eligible"));
}

TEST(DiffPage, AClusterWithoutPairsSaysSo) {
  auto bare = cluster(1);
  bare.at("exemplars").as_array().clear();
  EXPECT_THAT(cluster_page(bare, 0, 80, kPlain), HasSubstr("no pair of answers was kept"));
}

TEST(DiffPage, AnExampleThatIsNotThereIsTheLast) {
  EXPECT_THAT(cluster_page(cluster(1), 99, 80, kPlain), HasSubstr("(example 2 of 2)"));
}

TEST(DiffPage, ColoursTheVerdictOnlyIfColourIsWanted) {
  EXPECT_THAT(differences_page(document(), Paint(true)), HasSubstr("\x1b[31mdifference\x1b[0m"));
  EXPECT_THAT(differences_page(document(), kPlain), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace oxbow
