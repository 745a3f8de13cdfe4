#include "services/control/differences_view.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

class DifferencesDocument : public testing::Test {
 protected:
  DifferencesDocument() {
    std::vector<FieldDifference> fields{{"$.a", "value"}};
    std::vector<DifferingPair::Difference> differences{{"$.a", "value", "number", "number", "1", "2"}};
    fields_.record({.route = "GET /a", .differences = fields, .twin_differences = fields});
    clusters_.record({.route = "GET /a",
                      .request = "GET /a/7",
                      .legacy_status = 200,
                      .new_status = 201,
                      .legacy_body = "{\"a\":1}",
                      .new_body = "\xff",
                      .differences = differences,
                      .redactor = redactor_},
                     WallTime(10s));
    coverage_.compared();
    coverage_.skipped("too_large");
  }

  json::value document(bool with_exemplars) {
    auto list = clusters_.list();
    return json::parse(differences_json({.now = WallTime(70s),
                                         .coverage = coverage_,
                                         .differed = 4,
                                         .differences_without_room = 3,
                                         .clusters_gone = 2,
                                         .clusters_total = list.size(),
                                         .clusters = judge_clusters(list, fields_.report({})),
                                         .with_exemplars = with_exemplars}));
  }

  FieldBook fields_;
  Redactor redactor_;
  ClusterBook clusters_{Random(1)};
  Coverage coverage_;
};

TEST_F(DifferencesDocument, ShowsClustersWithTheVerdictOnTheirField) {
  auto shown = document(false);
  EXPECT_EQ(shown.at("eligible"), 2);
  EXPECT_EQ(shown.at("compared"), 1);
  EXPECT_EQ(shown.at("skipped"), (json::value{{{"reason", "too_large"}, {"count", 1}}}));
  EXPECT_EQ(shown.at("differed"), 4);
  EXPECT_EQ(shown.at("differences_without_room"), 3);
  EXPECT_EQ(shown.at("clusters_gone"), 2);
  const auto& cluster = shown.at("clusters").at(0);
  EXPECT_EQ(cluster.at("path"), "$.a");
  EXPECT_TRUE(cluster.at("path_begins").is_null());
  EXPECT_EQ(cluster.at("age_seconds"), 60.0);
  EXPECT_EQ(cluster.at("verdict").at("state"), "undetermined");
  EXPECT_EQ(cluster.at("verdict").at("evidence"),
            "differs in 1 of 1 requests, and legacy asked twice in 100 % of 1");
  EXPECT_FALSE(cluster.as_object().contains("exemplars"));
}

TEST_F(DifferencesDocument, ShowsBothAnswersWhereTheyAreAskedFor) {
  auto pair = document(true).at("clusters").at(0).at("exemplars").at(0);
  EXPECT_EQ(pair.at("request"), "GET /a/7");
  EXPECT_EQ(pair.at("legacy"), (json::value{{"status", 200}, {"value", "1"}, {"body", "{\"a\":1}"}}));
  EXPECT_EQ(pair.at("new").at("body"), "\xef\xbf\xbd")
      << "bytes that are no text must not break the document";
}

TEST_F(DifferencesDocument, AFieldThatDidNotDifferSinceTheLastChangeOfVersionHasNoVerdict) {
  fields_.begin_anew("GET /a");
  EXPECT_TRUE(document(false).at("clusters").at(0).at("verdict").is_null());
}

TEST_F(DifferencesDocument, SaysWhereAFieldHasNoVerdictForWantOfRoom) {
  EXPECT_FALSE(document(false).at("clusters").at(0).at("lacks_room").as_bool());
  fields_.begin_anew("GET /a");
  EXPECT_FALSE(document(false).at("clusters").at(0).at("lacks_room").as_bool());
  fields_.record({.route = "GET /a", .differences_untold = 1});
  EXPECT_TRUE(document(false).at("clusters").at(0).at("lacks_room").as_bool());
  clusters_.begin_anew("GET /a");
  EXPECT_FALSE(document(false).at("clusters").at(0).at("lacks_room").as_bool()) << "it was not seen since";
}

}  // namespace
}  // namespace oxbow
