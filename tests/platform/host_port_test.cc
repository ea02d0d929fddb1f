#include "platform/host_port.h"

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

TEST(HostPort, ReadsNamesAndAddresses) {
  EXPECT_EQ(ParseHostPort("issuer.example", 7443), (HostPort{"issuer.example", 7443}));
  EXPECT_EQ(ParseHostPort("issuer.example:8443", 7443), (HostPort{"issuer.example", 8443}));
  EXPECT_EQ(ParseHostPort("192.0.2.1:1", 7443), (HostPort{"192.0.2.1", 1}));
  EXPECT_EQ(ParseHostPort("[2001:db8::1]:65535", 7443), (HostPort{"2001:db8::1", 65535}));
  EXPECT_EQ(ParseHostPort("[::1]", 7443), (HostPort{"::1", 7443}));
}

TEST(HostPort, RefusesWhatIsNeither) {
  for (const char* text :
       {"",           ":7443",      "host:",    "host:0",       "host:65536", "host:-1",
        "host:+1",    "host:7443x", "host:1:2", "https://host", "ho st",      "host/path",
        "-host",      ".host",      "[::1",     "[::1]7443",    "[::1]:",     "[host]:1",
        "::1",        "[]",         "host\n",   "[::1%eth0]",   "7443",       "0.0.0",
        "10.0.0.300", "a..b",       "host-",    "a.-b",         "issuer.1"}) {
    const auto address = ParseHostPort(text, 7443);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Code::kInvalidArgument);
  }
  std::string longest;
  for (int i = 0; i < 126; ++i) longest += "a.";
  EXPECT_TRUE(ParseHostPort(longest + "a", 7443));
  EXPECT_FALSE(ParseHostPort(longest + "ab", 7443));
  EXPECT_TRUE(ParseHostPort(std::string(63, 'a') + ".example.", 7443));
  EXPECT_FALSE(ParseHostPort(std::string(64, 'a') + ".example", 7443));
}

TEST(HostPort, IsWrittenAsItIsRead) {
  for (const char* text : {"issuer.example:7443", "[2001:db8::1]:7443", "192.0.2.1:80"}) {
    EXPECT_EQ(FormatHostPort(*ParseHostPort(text, 1)), text);
  }
}

}  // namespace
}  // namespace lodekey::platform
