#include "core/spec/route_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string fault_of(std::string_view path) {
  auto segments = parse_path_template(path);
  return segments ? "none" : segments.error();
}

TEST(PathTemplate, IsSegmentsAndParameters) {
  EXPECT_THAT(*parse_path_template("/payments/{payment_id}/lines"),
              ElementsAre(PathSegment{"payments", false}, PathSegment{"payment_id", true},
                          PathSegment{"lines", false}));
  EXPECT_THAT(*parse_path_template("/"), ElementsAre(PathSegment{"", false}));
  EXPECT_THAT(*parse_path_template("/a/"), ElementsAre(PathSegment{"a", false}, PathSegment{"", false}));
  EXPECT_EQ(shape_of(*parse_path_template("/a/{x}/")), "/a/{}/");
}

TEST(PathTemplate, RefusesWhatNoRequestCanBeTakenWith) {
  EXPECT_THAT(fault_of("/a//b"), HasSubstr("two slashes in a row"));
  EXPECT_THAT(fault_of("/a/../b"), HasSubstr("the segment '..'"));
  EXPECT_THAT(fault_of("/a%20b"), HasSubstr("write it decoded"));
  EXPECT_THAT(fault_of("/a;v=1"), HasSubstr("a ';' in it"));
  EXPECT_THAT(fault_of("/a?x={y}"), HasSubstr("a parameter stands alone"));
  EXPECT_THAT(fault_of("/a?x=1"), HasSubstr("a route cannot ask for a query"));
  EXPECT_THAT(fault_of("/a-{x}"), HasSubstr("stands alone between two slashes"));
  EXPECT_THAT(fault_of("/{}"), HasSubstr("needs a name in braces"));
  EXPECT_THAT(fault_of("/{x}/{x}"), HasSubstr("names the parameter {x} twice"));
  EXPECT_THAT(fault_of("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"), HasSubstr("more than 8 parameters"));
}

TEST(KeySource, IsAPartOfTheRequest) {
  EXPECT_EQ(parse_key_source("path.id"), (KeySource{RequestPart::path, "id"}));
  EXPECT_EQ(parse_key_source("body.a.\"b.c\""), (KeySource{RequestPart::body, "a.\"b.c\""}));
  EXPECT_EQ(parse_key_source("cookie.customer"), (KeySource{RequestPart::cookie, "customer"}));
  EXPECT_EQ(parse_key_source("none"), KeySource());
  for (const auto* text : {"", "path", "path.", "none.x", "form.x", "body.a..b", "header.a b"})
    EXPECT_FALSE(parse_key_source(text)) << text;
  EXPECT_EQ(to_string(KeySource{RequestPart::header, "X-Id"}), "header.X-Id");
}

TEST(AnswerPath, StartsAtTheRoot) {
  for (const auto* text :
       {"$", "$.a", "$.items[*].price", "$[*][\"unit price\"].x-y", "$..at", "$.*", "$..*.x", "$.@type",
        "$..[*]", "$.stra\u00dfe", "$[\"a\\\"b\"]", "$['a b']", "$[\"\"]"})
    EXPECT_TRUE(is_answer_path(text)) << text;
  for (const auto* text :
       {"", "a", "$a", "$.", "$..", "$...a", "$[", "$[]", "$[0]", "$[\"a]", "$[*", "$. a", "$.a b", "$.*a"})
    EXPECT_FALSE(is_answer_path(text)) << text;
}

}  // namespace
}  // namespace oxbow
