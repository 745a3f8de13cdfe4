#include "core/spec/http_address.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

TEST(HttpAddress, OfAServiceIsTakenApart) {
  EXPECT_EQ(parse_service_address("http://127.0.0.1:8081"),
            (ServiceAddress{{"127.0.0.1", 8081, ""}, false, ""}));
  EXPECT_EQ(parse_service_address("http://localhost/"), (ServiceAddress{{"localhost", 80, ""}, false, ""}));
  EXPECT_EQ(parse_service_address("https://pay.internal"),
            (ServiceAddress{{"pay.internal", 443, ""}, true, ""}));
  EXPECT_EQ(parse_service_address("https://[::1]:8443"), (ServiceAddress{{"::1", 8443, ""}, true, ""}));
  EXPECT_EQ(parse_service_address("unix:/run/pay.sock"),
            (ServiceAddress{{"", 0, "/run/pay.sock"}, false, ""}));
}

TEST(HttpAddress, OfAServiceHasNoPathAndNoOtherScheme) {
  for (const auto* text : {"http://", "http://a/b", "http://a?x", "ftp://a", "a:80", "http://a:0",
                           "http://a:65536", "http://a:", "http://[::1", "http://[x]:1", "http://::1:80",
                           "http://a b", "http://user@a", "unix:", "unix:/", "unix:run/pay.sock"})
    EXPECT_FALSE(parse_service_address(text)) << text;
  EXPECT_FALSE(parse_service_address("unix:/" + std::string(107, 'x'))) << "longer than a socket address";
}

TEST(HttpAddress, OfAListenerNeedsAPort) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:8080"), (HttpAddress{"127.0.0.1", 8080, ""}));
  EXPECT_EQ(parse_listen_address("[::1]:0"), (HttpAddress{"::1", 0, ""}));
  EXPECT_EQ(parse_listen_address("unix:/run/oxbow/gateway.sock"),
            (HttpAddress{"", 0, "/run/oxbow/gateway.sock"}));
  for (const auto* text : {"", ":8080", "8080", "127.0.0.1", "::1:8080", "http://a:80", "a:99999", "a:-1"})
    EXPECT_FALSE(parse_listen_address(text)) << text;
}

}  // namespace
}  // namespace oxbow
