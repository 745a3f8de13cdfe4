#include "core/spec/connection.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

std::optional<std::string> environment(std::string_view name) {
  if (name == "PW") return "it's a /p@ss";
  if (name == "ADDRESS") return "postgresql://u:p@h/d";
  return std::nullopt;
}

TEST(Environment, EscapesAValueForItsPlace) {
  EXPECT_EQ(*expand_environment("postgresql://u:${PW}@h/d", environment),
            "postgresql://u:it%27s%20a%20%2Fp%40ss@h/d");
  EXPECT_EQ(*expand_environment("host=h password=${PW} user=u", environment),
            R"(host=h password=it\'s\ a\ /p@ss user=u)");
  EXPECT_EQ(*expand_environment("${ADDRESS}", environment), "postgresql://u:p@h/d");
  EXPECT_EQ(*expand_environment("host=h", environment), "host=h");
}

TEST(Environment, SaysWhatIsMissing) {
  EXPECT_EQ(expand_environment("${NONE}", environment).error().detail,
            "the environment variable NONE is not set");
  EXPECT_FALSE(expand_environment("${PW", environment));
  EXPECT_FALSE(expand_environment("${}", environment));
  EXPECT_FALSE(expand_environment("${A B}", environment));
}

TEST(Passwords, AreNotPrintedWhereverTheyStand) {
  EXPECT_EQ(without_password("postgresql://u:secret@h:5432/d"), "postgresql://u:***@h:5432/d");
  EXPECT_EQ(without_password("postgresql://u@h:5432/d"), "postgresql://u@h:5432/d");
  EXPECT_EQ(without_password("postgresql:///d?host=/tmp&password=secret&user=u"),
            "postgresql:///d?host=/tmp&password=***&user=u");
  EXPECT_EQ(without_password("postgres://u:a@h/d?password=b"), "postgres://u:***@h/d?password=***");
  EXPECT_EQ(without_password("host=h password=secret user=u"), "host=h password=*** user=u");
  EXPECT_EQ(without_password(R"(password = 'se\' cret' user=u)"), "password = *** user=u");
  EXPECT_EQ(without_password("host=h\npassword='a b'c user=u"), "host=h\npassword=*** user=u");
  EXPECT_EQ(without_password("password='never closed user=u"), "password=***");
  EXPECT_EQ(without_password("password=a password=b sslpassword=c"),
            "password=*** password=*** sslpassword=***");
  EXPECT_EQ(without_password("postgresql:///d?sslpassword=a&password=b"),
            "postgresql:///d?sslpassword=***&password=***");
  EXPECT_EQ(without_password("host=password user=u"), "host=password user=u");
  EXPECT_EQ(without_password(""), "");
}

TEST(Passwords, StandWhereAnotherCanBePut) {
  EXPECT_EQ(replace_password("postgresql://u:secret@h/d", "${PW}"), "postgresql://u:${PW}@h/d");
}

}  // namespace
}  // namespace oxbow
