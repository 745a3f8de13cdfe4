#include "core/evidence/redactor.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "core/evidence/answer_path.hpp"
#include "core/evidence/secret_text.hpp"

namespace oxbow {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

TEST(SecretNames, AreKnownByTheirWords) {
  for (auto name : {"password",    "Set-Cookie",    "Authorization", "proxy-authorization",
                    "accessToken", "refresh_token", "api_key",       "apiKey",
                    "X-API-Key",   "clientSecret",  "PIN",           "csrf-token",
                    "sessionId",   "card_number",   "cvv",           "userpassword",
                    "accesstoken", "PHPSESSID",     "passcode",      "X-Amz-Signature",
                    "sig"})
    EXPECT_TRUE(is_secret_name(name)) << name;
  for (auto name :
       {"author", "keyboard", "shipping", "pinned", "amount", "id", "key", "tokenizer", "side", ""})
    EXPECT_FALSE(is_secret_name(name)) << name;
}

// Users wait while a line of the access log is made of what they have sent.
TEST(SecretsInText, AreLookedForOnceInWhatHasManyBeginnings) {
  for (std::string_view part : {"a-", "%61%2D", "eyJ-"}) {
    std::string text;
    while (text.size() < 500'000) text += part;
    auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(without_secrets(text), text);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2)) << part;
  }
}

struct Shown {
  std::string_view text;
  std::string_view shown;
};

class SecretsInText : public testing::TestWithParam<Shown> {};

TEST_P(SecretsInText, AreReplacedAndTheRestStays) {
  EXPECT_EQ(without_secrets(GetParam().text), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, SecretsInText,
    testing::Values(
        Shown{"", ""}, Shown{"GET /payments/4711?full=1", "GET /payments/4711?full=1"},
        Shown{"GET /login?user=7&password=hunter2&x=1", "GET /login?user=7&password=[redacted]&x=1"},
        Shown{"/a?pass%77ord=hunter2&%74oken=abc&x=1", "/a?pass%77ord=[redacted]&%74oken=[redacted]&x=1"},
        Shown{"/a?next=%2Fb%3Ftoken%3Dabc&x=1", "/a?next=%2Fb%3Ftoken%3D[redacted]&x=1"},
        Shown{"/a?user[password]=hunter2&x=1", "/a?user[password]=[redacted]&x=1"},
        Shown{"/a?user%5Bpassword%5D=hunter2&x=1", "/a?user%5Bpassword%5D=[redacted]&x=1"},
        Shown{"/a?token[]=abc&token[]=def", "/a?token[]=[redacted]&token[]=[redacted]"},
        Shown{R"({"fields":["password"],"x":1})", R"({"fields":["password"],"x":1})"},
        Shown{"100%25 of %7 and 5% are no names", "100%25 of %7 and 5% are no names"},
        Shown{"Authorization: Digest username=\"bob\", nonce=7\r\nHost: a",
              "Authorization: [redacted]\r\nHost: a"},
        Shown{"use Bearer abcdefgh.12345678 here", "use Bearer [redacted] here"},
        Shown{"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt [redacted]"},
        Shown{"a=1; session=0af31c; b=2", "a=1; session=[redacted]; b=2"},
        Shown{"mail bob.smith+x@mail.example.org now", "mail [redacted e-mail] now"},
        Shown{"a@b is no address, nor is @home", "a@b is no address, nor is @home"},
        Shown{"line\\nbob@example.org", "line\\n[redacted e-mail]"},
        Shown{"card 4111111111111111.", "card [redacted 16 digits]."},
        Shown{"card 4111 1111 1111 1111, 378282-246310-006", "card [redacted 16 digits], 378282-246310-006"},
        Shown{"amex 3782-822463-10005", "amex [redacted 15 digits]"},
        Shown{"id 123456789012345", "id [redacted 15 digits]"},
        Shown{"id 12345678901234", "id 12345678901234"},
        Shown{"4111 1111 1111 1112 fails the check", "4111 1111 1111 1112 fails the check"},
        Shown{"0.1234567890123456789 is a fraction", "0.1234567890123456789 is a fraction"},
        Shown{"at 2026-11-21T06:00:00.123456Z", "at 2026-11-21T06:00:00.123456Z"},
        Shown{"550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"},
        Shown{"etag 1234567890123456abcdef", "etag 1234567890123456abcdef"},
        Shown{"/a?user=bob%40corp.example&x=1", "/a?user=[redacted e-mail]&x=1"},
        Shown{R"({"a": "{\"password\": \"hunter2\", \"n\": 1}"})",
              R"({"a": "{\"password\": [redacted], \"n\": 1}"})"},
        Shown{R"("{\\\"pin\\\":\\\"12\\\",\\\"n\\\":1}")", R"("{\\\"pin\\\":[redacted],\\\"n\\\":1}")"},
        Shown{"<user><password>hunter2</password></user>", "<user><password>[redacted]</password></user>"},
        Shown{"token > 7 and a<token", "token > 7 and a<token"},
        Shown{"{\"token\": \"a\\\"b\", \"n\": 1}", "{\"token\": [redacted], \"n\": 1}"}));

TEST(Redaction, KeepsTheShapeOfJson) {
  Redactor redactor;
  EXPECT_EQ(redactor.body(R"({"id": 7, "password": "x", "n": [1, true, null, "a,}b"], "o": {}})", 1000),
            R"({"id": 7, "password": "[redacted]", "n": [1, true, null, "a,}b"], "o": {}})");
}

TEST(Redaction, HidesWholeObjectsAndArrays) {
  Redactor redactor;
  EXPECT_EQ(redactor.body(R"({"tokens":[{"a":"]"},[2]],"x":{"credentials":{"u":"}","p":1},"y":2}})", 1000),
            R"({"tokens":"[redacted]","x":{"credentials":"[redacted]","y":2}})");
}

TEST(Redaction, HidesTheFieldsOfTheSpec) {
  Redactor redactor({"$.customer.iban", "$.cards[*].holder", "$..birthday"});
  EXPECT_EQ(
      redactor.body(
          R"({"customer":{"iban":"DE1","name":"A"},"iban":"no","cards":[{"holder":{"n":1}},{"id":2}],)"
          R"("deep":[[{"birthday":"1970"}]]})",
          1000),
      R"({"customer":{"iban":"[redacted]","name":"A"},"iban":"no","cards":[{"holder":"[redacted]"},{"id":2}],)"
      R"("deep":[[{"birthday":"[redacted]"}]]})");
}

TEST(Redaction, AFieldOfTheSpecMayHaveAnyNameOrPlace) {
  Redactor redactor({"$.by_id.*.name", R"($["a b"].c)", "$.rows[*]"});
  EXPECT_EQ(
      redactor.body(
          R"({"by_id":{"4711":{"name":"A","n":1}},"a b":{"c":1,"d":2},"rows":[1,{"x":2}],"a":{"c":3}})",
          1000),
      R"({"by_id":{"4711":{"name":"[redacted]","n":1}},"a b":{"c":"[redacted]","d":2},"rows":["[redacted]","[redacted]"],"a":{"c":3}})");
  EXPECT_TRUE(redactor.hides("$.by_id.*.name"));
  EXPECT_TRUE(redactor.hides("$.rows[17].x"));
  EXPECT_TRUE(redactor.hides(R"($["my password"])"));
  EXPECT_TRUE(Redactor({"$..iban"}).hides("$.a[*].iban.country"));
  EXPECT_TRUE(Redactor({"$.a..b[*]"}).hides("$.a.c.b[2]"));
  EXPECT_FALSE(Redactor({"$.a..b"}).hides("$.c.b"));
  EXPECT_FALSE(redactor.hides("header.rows"));
  EXPECT_FALSE(redactor.hides("$.by_id"));
  EXPECT_FALSE(redactor.hides("status"));
}

TEST(Redaction, AFieldOfTheSpecIsKnownHoweverItsNameIsSpelled) {
  Redactor redactor({"$.größe", R"($["a b"])", "$.x"});
  EXPECT_EQ(
      redactor.body(R"({"gr\u00f6\u00dfe":1,"größe":2,"a\u0020b":3,"\u0078":4})", 1000),
      R"({"gr\u00f6\u00dfe":"[redacted]","größe":"[redacted]","a\u0020b":"[redacted]","\u0078":"[redacted]"})");
  EXPECT_EQ(Redactor({"$.a"}).body(R"({"\u12":1,"\ud83d":2,"\ud83d\ude00":3,"\q":4})", 1000),
            R"({"\u12":1,"\ud83d":2,"\ud83d\ude00":3,"\q":4})");
}

TEST(Redaction, AFieldOfTheSpecIsHiddenInsideOfWhatDiffers) {
  Redactor redactor({"$.customer.iban", "$.by_id.4711.name"});
  EXPECT_EQ(redactor.value("$.customer", R"({"iban":"DE1","n":1})", 100), R"({"iban":"[redacted]","n":1})");
  EXPECT_EQ(redactor.value("$.other", R"({"iban":"DE1"})", 100), R"({"iban":"DE1"})");
  EXPECT_EQ(redactor.value("$.by_id.*.name", "\"A\"", 100), "\"[redacted]\"")
      << "the name of a member that is data is not known any more";
}

TEST(Redaction, AFieldOfTheSpecIsHiddenUnderItsNameOnTheNewSide) {
  Redactor redactor({"$.iban", "$.customer.phone"},
                    {{"$.iban", "account"}, {"$.customer", "client"}, {"$..note", "remark"}});
  constexpr std::string_view kBody =
      R"({"account":"DE1","client":{"phone":1,"n":2,"account":3},"remark":4,"customer":{"phone":5}})";
  EXPECT_EQ(
      redactor.body(kBody, 1000, Side::new_side),
      R"({"account":"[redacted]","client":{"phone":"[redacted]","n":2,"account":3},"remark":4,"customer":{"phone":"[redacted]"}})");
  EXPECT_EQ(
      redactor.body(kBody, 1000, Side::legacy),
      R"({"account":"DE1","client":{"phone":1,"n":2,"account":3},"remark":4,"customer":{"phone":"[redacted]"}})");
  EXPECT_EQ(redactor.value("$.customer", R"({"phone":1})", 100), R"({"phone":"[redacted]"})");
}

TEST(Redaction, WhereAFieldOfTheSpecCannotBeFoundNothingIsKept) {
  Redactor redactor({"$.iban"});
  EXPECT_EQ(redactor.body("<iban>DE1</iban>", 100), "[redacted: not JSON]");
  EXPECT_EQ(redactor.body("", 100), "");
  EXPECT_EQ(redactor.value("header.x-note", "DE1", 100), "DE1");
  EXPECT_EQ(redactor.value("$.amount", "12.5", 100), "12.5");
  EXPECT_EQ(Redactor({"header.x-account"}).body("<a/>", 100), "<a/>");
  EXPECT_EQ(Redactor({"$"}).body("\"DE1\"", 100), "\"[redacted]\"");
}

TEST(Redaction, WhereAPartOfTheRequestIsHiddenNothingIsKeptOfABodyThatMayRepeatIt) {
  constexpr std::string_view kBody = "<p>Found. Redirecting to <a href=\"/of/bob?iban=DE1\">/of/bob</a></p>";
  for (auto part : {"query.iban", "path.holder"}) {
    EXPECT_EQ(Redactor({part}).body(kBody, 100), "[redacted: not JSON]") << part;
    EXPECT_EQ(Redactor({part}).body(R"({"n":1})", 100), R"({"n":1})") << part;
  }
}

TEST(Redaction, ABodyThatOnlyBeginsLikeJsonIsNotJson) {
  for (auto body : {"[draft] iban DE1", "\"DE1\" is the iban of /of/bob", "{iban: DE1}", "{\"n\": DE1}",
                    "{\"n\":1} iban=DE1", "[1, <iban>DE1</iban>]"}) {
    EXPECT_EQ(Redactor({"$.iban"}).body(body, 100), "[redacted: not JSON]") << body;
    EXPECT_EQ(Redactor({"path.holder"}).body(body, 100), "[redacted: not JSON]") << body;
    EXPECT_EQ(Redactor({"header.x-account"}).body(body, 100).substr(0, 2), std::string(body).substr(0, 2));
  }
  for (auto body : {"[1,-2.5e+3,true]", "{\"a\":{},\"b\":[]} \n", "[tru", "{\"a\":nul", "{\"a\":1,", "{\"a"})
    EXPECT_THAT(Redactor({"$.iban"}).body(body, 100), Not(HasSubstr("redacted"))) << body;
}

TEST(Redaction, ABodyThatIsNotJsonIsNotKeptAsTheValueThatDiffersEither) {
  for (auto field : {"$.iban", "query.iban", "path.holder"})
    EXPECT_EQ(Redactor({field}).value("$", "<iban>DE1</iban>", 100), "[redacted: not JSON]") << field;
  EXPECT_EQ(Redactor({"header.x-account"}).value("$", "<a/>", 100), "<a/>");
}

TEST(Redaction, NamesInsideOfWhatIsHiddenAreHiddenToo) {
  Redactor redactor({"$.by_iban", "$.cards[*].holder"});
  EXPECT_EQ(redactor.path("$.by_iban.DE1.n"), "$.by_iban.*");
  EXPECT_EQ(redactor.path("$.by_iban"), "$.by_iban");
  EXPECT_EQ(redactor.path("$.cards[*].holder.bob"), "$.cards[*].holder.*");
  EXPECT_EQ(redactor.path("$.cards[*].number"), "$.cards[*].number");
  EXPECT_EQ(redactor.path("header.set-cookie.lang;path"), "header.set-cookie.lang;path");
  EXPECT_TRUE(redactor.hides("$.by_iban.*"));
}

TEST(Redaction, PartsOfTheRequestMayBeHiddenToo) {
  Redactor redactor({"query.iban", "path.holder"});
  constexpr std::string_view kRoute = "GET /of/{holder}/accounts/{n}";
  EXPECT_EQ(redactor.request(kRoute, "GET /of/bob/accounts/7?x=1&iban=DE1&y=2", 100),
            "GET /of/[redacted]/accounts/7?x=1&iban=[redacted]&y=2");
  EXPECT_EQ(redactor.request(kRoute, "GET /of/bob/accounts/7?%69ban=DE1&ibans=3", 100),
            "GET /of/[redacted]/accounts/7?%69ban=[redacted]&ibans=3")
      << "a name that is written in another way may be the one";
  EXPECT_EQ(redactor.request("GET /b", "GET /b?x=1;iban=DE1;y=2&z=3", 100),
            "GET /b?x=1;iban=[redacted];y=2&z=3");
  EXPECT_EQ(redactor.request(kRoute, "GET /of/bob/accounts/7?back=/of/bob&at=%2Fof%2Fbob&in=%252fof", 100),
            "GET /of/[redacted]/accounts/7?back=[redacted]&at=[redacted]&in=[redacted]");
  EXPECT_EQ(redactor.request("GET /b", "GET /b?password=x", 100), "GET /b?password=[redacted]");
  EXPECT_EQ(Redactor().request(kRoute, "GET /of/bob/accounts/7?iban=DE1", 100),
            "GET /of/bob/accounts/7?iban=DE1");
}

TEST(Redaction, WhatIsHiddenOfARequestIsHiddenInAnAddressThatAnAnswerNames) {
  Redactor redactor({"query.iban"});
  EXPECT_EQ(redactor.value("header.location", "/next?iban=DE1&x=1#iban=DE2", 100),
            "/next?iban=[redacted]&x=1#iban=[redacted]");
  EXPECT_EQ(redactor.value("header.location", "https://a/cb?code=1&access_token=abc", 100),
            "https://a/cb?code=1&access_token=[redacted]");
  EXPECT_EQ(redactor.value("header.location", "/login?next=%2Fa%3Fiban%3DDE1&lang=de", 100),
            "/login?next=[redacted]&lang=de")
      << "an address inside of an address";
  EXPECT_EQ(redactor.value("header.location", "/login?next=/x?iban=DE1&lang=de", 100),
            "/login?next=/x?iban=[redacted]&lang=de");
  for (auto next :
       {"/x?iban=DE1", "%2Fx%3Fiban%3DDE1", "%252Fx%253Fiban%253dDE1", "%25252Fx%25253Fiban%25253DDE1"})
    EXPECT_EQ(redactor.request("GET /login", fmt::format("GET /login?next={}&lang=de", next), 100),
              "GET /login?next=[redacted]&lang=de")
        << next;
  EXPECT_EQ(redactor.value("header.x-next", "\"/p?iban=DE1\"", 100), "\"/p?iban=[redacted]");
  EXPECT_EQ(redactor.value("header.link", "</a?iban=DE1&n=2>; rel=next", 100),
            "</a?iban=[redacted]&n=2>; rel=next");
  EXPECT_EQ(redactor.value("$.next", "/next?iban=DE1", 100), "/next?iban=DE1")
      << "rules for bodies are by path";
  EXPECT_EQ(Redactor({"path.holder"}).value("header.location", "/of/bob?x=1", 100), "[redacted]?x=1");
  EXPECT_EQ(Redactor({"path.holder"}).value("header.link", "</a?x=1>, </of/bob>; rel=prev", 100),
            "[redacted]?[redacted]")
      << "the second address";
  EXPECT_EQ(Redactor({"path.holder"}).value("header.location", "/a?next=%2fof%2Fbob#x", 100),
            "[redacted]?[redacted]#x");
  EXPECT_EQ(Redactor({"path.holder"}).value("header.location", "bob?x=1", 100), "[redacted]?x=1")
      << "a relative address";
  EXPECT_EQ(Redactor({"path.holder"}).value("header.link", "<bob>; rel=prev", 100), "[redacted]");
  EXPECT_EQ(Redactor({"path.holder"}).value("header.etag", "7", 100), "7");
  EXPECT_EQ(Redactor({"header.location"}).value("header.location", "/of/bob", 100), "\"[redacted]\"");
  for (auto path : {"header.set-cookie.lang", "header.set-cookie.lang;path", R"(header.set-cookie["a b"])"})
    EXPECT_EQ(redactor.value(path, "de", 100), "\"[redacted]\"") << path;
}

TEST(Redaction, NamesOfMembersThatAreDataAreNotShown) {
  EXPECT_EQ(shown_path(R"($.users["bob@example.org"].name)", 100), "$.users.*.name");
  EXPECT_EQ(shown_path(R"($["a b"]["4111 1111 1111 1111"][*])", 100), R"($["a b"].*[*])");
  EXPECT_EQ(shown_path("$.items[*].price", 100), "$.items[*].price");
  EXPECT_EQ(shown_path("$.\xe5\xe5", 100), "$.\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(shown_path(R"($["a)", 100), R"($["a)");
  EXPECT_EQ(shown_path("status", 100), "status");
}

TEST(LongPaths, EndBehindAWholeStepAndAreToldApart) {
  std::string name(20, 'n');
  auto one = shown_path("$." + name + "." + name + ".first_of_all", 50);
  auto other = shown_path("$." + name + "." + name + ".second_of_all", 50);
  EXPECT_THAT(one, SizeIs(38));
  EXPECT_TRUE(one.starts_with("$." + name + ".…")) << one;
  EXPECT_NE(one, other);
  EXPECT_EQ(beginning_of_long(one), "$." + name);
  auto whole = "$." + name + "." + name + ".12345";
  EXPECT_EQ(shown_path(whole, 50), whole);
  EXPECT_EQ(beginning_of_long(whole), std::nullopt);
  EXPECT_EQ(beginning_of_long(shown_path("$." + std::string(100, 'n'), 50)), "$");
  EXPECT_EQ(beginning_of_long("$"), std::nullopt);
  EXPECT_LE(shown_path("$.items[*].price", 7).size(), 7u);
}

TEST(LongPaths, CountTogetherWhereTheirEndIsData) {
  std::string name(100, 'n');
  auto path = [&](std::string_view user) { return fmt::format("$.{}[\"{}\"].{}", name, user, name); };
  EXPECT_EQ(shown_path(path("bob@example.org"), 150), shown_path(path("eve@example.org"), 150));
}

TEST(LongPaths, MayLeadToWhatTheSpecHides) {
  auto path = shown_path("$." + std::string(100, 'n'), 50);
  EXPECT_EQ(Redactor({"$..iban"}).value(path, "7", 100), "\"[redacted]\"");
  EXPECT_EQ(Redactor({"header.x-a"}).value(path, "7", 100), "7");
}

TEST(Redaction, ANumberThatLooksLikeACardBecomesAText) {
  EXPECT_EQ(Redactor().body(R"({"n":4111111111111111,"m":12,"f":1.4111111111111111})", 1000),
            R"({"n":"[redacted 16 digits]","m":12,"f":1.4111111111111111})");
}

TEST(Redaction, TextInsideOfJsonIsSearched) {
  EXPECT_EQ(Redactor().body(R"({"note":"write to bob@example.org","bob@example.org":1})", 1000),
            R"({"note":"write to [redacted e-mail]","[redacted e-mail]":1})");
}

TEST(Redaction, AValueKnowsWhereItCameFrom) {
  Redactor redactor({"$.customer"});
  EXPECT_EQ(redactor.value("$.customer.iban", "\"DE1\"", 100), "\"[redacted]\"");
  EXPECT_EQ(redactor.value("$.customers", "\"DE1\"", 100), "\"DE1\"");
  EXPECT_EQ(redactor.value("$.session[*].id", "7", 100), "\"[redacted]\"");
  EXPECT_EQ(redactor.value("header.set-cookie", "a=b", 100), "\"[redacted]\"");
  EXPECT_EQ(redactor.value("header.content-type", "text/plain", 100), "text/plain");
  EXPECT_EQ(redactor.value("$.password", "", 100), "") << "a missing value has nothing to hide";
}

TEST(Redaction, BodiesThatAreNotJsonAreSearchedAsText) {
  EXPECT_EQ(Redactor().body("user=7&password=hunter2", 100), "user=7&password=[redacted]");
}

TEST(Redaction, CutsAtACharacterAndSaysSo) {
  EXPECT_EQ(Redactor().text("abcäöü", 4), "abc…");
  EXPECT_EQ(Redactor().text("abcäöü", 5), "abcä…");
  EXPECT_EQ(Redactor().text("abcäöü", 9), "abcäöü");
}

TEST(Redaction, BytesThatAreNoTextAreMarked) {
  EXPECT_EQ(Redactor().text("a\xff", 10), "a\xef\xbf\xbd");
  EXPECT_LE(Redactor().text(std::string(100, '\xff'), 50).size(), 53u);
  EXPECT_EQ(Redactor().text("12345678\xff", 10), "12345678…");
}

TEST(Redaction, ASecretAcrossTheCutIsSeenWhole) {
  auto shown = Redactor().text("card 4111111111111111", 12);
  EXPECT_THAT(shown, Not(HasSubstr("4111")));
  EXPECT_THAT(Redactor().body(R"({"n":4111111111111111})", 10), Not(HasSubstr("4111")));
}

TEST(Redaction, ABodyThatWasCutBeforeDoesNotShowHalfASecret) {
  EXPECT_EQ(Redactor().body(R"({"n":41111111)", 1000), R"({"n":…)");
  EXPECT_THAT(Redactor().body(R"({"password":"hunt)", 1000), Not(HasSubstr("hunt")));
  EXPECT_THAT(Redactor().body(R"({"a":[1,2)", 1000), EndsWith("…"));
}

TEST(Redaction, AnythingAtAllGivesABoundedAnswer) {
  std::string deep(100'000, '[');
  EXPECT_THAT(Redactor().body(deep, 100), SizeIs(103));
  for (std::string_view odd :
       {"]]]", "{:,:,}", "{\"a", "{\"a\\", "\"", "[\"\\", "{\"token\"", "{\"token\":", "{\"token\":{",
        "[1 2 3", "{]}", "\xff\xfe{", "{\"a\":\xff}", "@", "@.", "1", "-", "\\@a.b"})
    EXPECT_LE(Redactor().body(odd, 1000).size(), 30u) << odd;
}

}  // namespace
}  // namespace oxbow
