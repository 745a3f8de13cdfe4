#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/pg_error.hpp"

namespace oxbow::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Endpoint kEndpoint{"127.0.0.1", "5432", "ledger"};

TEST(ArrayText, ReadsWhatItWrites) {
  std::vector<std::string> odd = {"plain", "", "a,b", "quote\"", "back\\slash", "{}"};
  EXPECT_EQ(parse_text_array(to_text_array(odd)), odd);
}

TEST(ArrayText, ReadsWhatTheServerWrites) {
  EXPECT_THAT(parse_text_array("{a,\"b c\",d}"), ElementsAre("a", "b c", "d"));
  EXPECT_THAT(parse_text_array("{}"), IsEmpty());
}

TEST(Names, AreIdentifiersThatTellMigrationsApart) {
  EXPECT_EQ(slot_name("payments"), "oxbow_payments");
  EXPECT_NE(slot_name("Payments"), slot_name("payments"));
  EXPECT_NE(slot_name("pay-ments"), slot_name("pay ments"));
  std::string long_name(200, 'x');
  EXPECT_LE(slot_name(long_name).size(), 63u);
  EXPECT_NE(slot_name(long_name), slot_name(long_name + "y"));
}

TEST(Names, OfSessionsFitWhatTheServerKeeps) {
  EXPECT_EQ(application_name("payments", "lane 0"), "oxbow:payments:lane 0");
  EXPECT_LE(application_name(std::string(200, 'x'), "lane 1000").size(), kIdentifierMax);
}

TEST(PgError, ALoginIsDeniedWhateverTheLanguageOfTheServer) {
  auto error = connect_error(
      "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: Passwort-Authentifizierung "
      "fehlgeschlagen\nLOCATION:  auth_failed, auth.c:335\n",
      kEndpoint);
  EXPECT_EQ(error.code, ErrorCode::access_denied);
  EXPECT_THAT(error.detail, HasSubstr("ledger at 127.0.0.1:5432"));
  EXPECT_EQ(error.detail.find('\n'), std::string::npos);
}

TEST(PgError, AnAddressThatLibpqRefusesIsAMistakeThatNobodyRetries) {
  for (auto message : {"invalid port number: \"99999\"\n",
                       "invalid integer value \"x\" for connection option \"connect_timeout\"\n",
                       "invalid sslmode value: \"perhaps\"\n", "could not match 2 port numbers to 3 hosts\n"})
    EXPECT_EQ(connect_error(message, kEndpoint).code, ErrorCode::spec_invalid) << message;
  EXPECT_EQ(
      connect_error("could not translate host name \"x\" to address: Name or service not known", kEndpoint)
          .code,
      ErrorCode::unreachable)
      << "a name server may be away";
}

// postgresql://me:some@thing:h1dden@host/db
TEST(PgError, APasswordThatIsTakenForAPortIsNotPrinted) {
  auto error = connect_error("invalid integer value \"h1dden@host\" for connection option \"port\"",
                             {"thing", "h1dden@host", "db"});
  EXPECT_EQ(error.detail.find("h1dden"), std::string::npos);
}

TEST(PgError, AServerThatIsNotThereIsUnreachable) {
  auto error =
      connect_error("connection to server at \"127.0.0.1\", port 1 failed: Connection refused", kEndpoint);
  EXPECT_EQ(error.code, ErrorCode::unreachable);
}

TEST(PgError, AServerThatStartsUpIsUnreachableAndNotLost) {
  EXPECT_EQ(connect_error("failed: FATAL:  57P03: the database system is starting up", kEndpoint).code,
            ErrorCode::unreachable);
}

TEST(PgError, CodesFollowWhatTheCallerCanDo) {
  EXPECT_EQ(code_of("23505"), ErrorCode::row_rejected);
  EXPECT_EQ(code_of("22003"), ErrorCode::row_rejected);
  EXPECT_EQ(code_of("P0001"), ErrorCode::row_rejected);
  EXPECT_EQ(code_of("57P01"), ErrorCode::connection_lost);
  EXPECT_EQ(code_of("40P01"), ErrorCode::connection_lost);
  EXPECT_EQ(code_of("42501"), ErrorCode::access_denied);
  EXPECT_EQ(code_of("42883"), ErrorCode::spec_invalid);
  EXPECT_EQ(code_of("55006"), ErrorCode::already_running);
  EXPECT_EQ(code_of("XX000"), ErrorCode::internal);
}

TEST(PgError, TheSqlstateCanBeReadBackFromTheDetail) {
  EXPECT_EQ(sqlstate_of({ErrorCode::row_rejected, "23505 duplicate key"}), "23505");
  EXPECT_EQ(sqlstate_of({ErrorCode::row_rejected, "an amount is too large"}), "");
}

}  // namespace
}  // namespace oxbow::postgres
