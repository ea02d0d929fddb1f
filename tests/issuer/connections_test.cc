#include "issuer/connections.h"

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/unix_socket.h"

namespace lodekey::issuer {
namespace {

using test::Fd;

// A node's connection: both ends of TCP on loopback.
struct Connection {
  Fd server;
  Fd client;
  std::string peer;  // as gRPC names the client
};

template <class Address>
bool Connect(Connection& connection, int family, Address address) {
  const Fd listener(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  connection.client = Fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (bind(listener.get(), plain, size) != 0 || listen(listener.get(), 1) != 0 ||
      getsockname(listener.get(), plain, &size) != 0 ||
      connect(connection.client.get(), plain, size) != 0) {
    return false;
  }
  connection.server = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return connection.server.get() >= 0;
}

Connection ConnectV4() {
  Connection connection;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_TRUE(Connect(connection, AF_INET, address));
  socklen_t size = sizeof(address);
  getsockname(connection.client.get(), reinterpret_cast<sockaddr*>(&address), &size);
  connection.peer = fmt::format("ipv4:127.0.0.1:{}", ntohs(address.sin_port));
  return connection;
}

bool IsOpen(const Connection& connection) {
  char byte = 0;
  return recv(connection.client.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

TEST(Connections, ClosesTheNodesConnectionAndNoOther) {
  Connections connections;
  const Connection first = ConnectV4(), second = ConnectV4();
  connections.Note("a", first.peer);
  connections.Note("b", second.peer);
  EXPECT_TRUE(connections.Close("a"));
  EXPECT_FALSE(IsOpen(first));
  EXPECT_TRUE(IsOpen(second));
}

TEST(Connections, ClosesTheLastConnectionOfANode) {
  Connections connections;
  const Connection first = ConnectV4(), second = ConnectV4();
  connections.Note("a", first.peer);
  connections.Note("a", second.peer);
  EXPECT_TRUE(connections.Close("a"));
  EXPECT_TRUE(IsOpen(first));
  EXPECT_FALSE(IsOpen(second));
}

TEST(Connections, HasNothingToCloseForAnUnknownNodeOrASecondTime) {
  Connections connections;
  const Connection connection = ConnectV4();
  connections.Note("a", connection.peer);
  EXPECT_FALSE(connections.Close("b"));
  EXPECT_TRUE(IsOpen(connection));
  EXPECT_TRUE(connections.Close("a"));
  EXPECT_FALSE(connections.Close("a"));
}

TEST(Connections, HasNothingToCloseWhenTheNodeHungUpItself) {
  Connections connections;
  Connection connection = ConnectV4();
  connections.Note("a", connection.peer);
  connection = Connection();
  EXPECT_FALSE(connections.Close("a"));
}

TEST(Connections, ClosesAConnectionOverIpv6) {
  Connection connection;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  if (!Connect(connection, AF_INET6, address)) GTEST_SKIP() << "needs IPv6 on loopback";
  socklen_t size = sizeof(address);
  getsockname(connection.client.get(), reinterpret_cast<sockaddr*>(&address), &size);
  Connections connections;
  connections.Note("a", fmt::format("ipv6:%5B::1%5D:{}", ntohs(address.sin6_port)));
  EXPECT_TRUE(connections.Close("a"));
  EXPECT_FALSE(IsOpen(connection));
}

TEST(SourceOf, IsTheAddressWithoutThePort) {
  EXPECT_EQ(SourceOf("ipv4:192.0.2.1:40000"), SourceOf("ipv4:192.0.2.1:50000"));
  EXPECT_NE(SourceOf("ipv4:192.0.2.1:40000"), SourceOf("ipv4:192.0.2.2:40000"));
}

TEST(SourceOf, IsOneForEverythingInAnIpv6Network) {
  const std::string source = SourceOf("ipv6:%5B2001:db8:1:2::1%5D:40000");
  EXPECT_EQ(source, SourceOf("ipv6:%5B2001:db8:1:2:ffff::9%5D:1"));
  EXPECT_NE(source, SourceOf("ipv6:%5B2001:db8:1:3::1%5D:40000"));
  EXPECT_EQ(source, "2001:db8:1:2::/64");
}

// A socket for both kinds of address has those of IPv4 in one /64.
TEST(SourceOf, IsTheIpv4AddressThatIpv6Maps) {
  EXPECT_EQ(SourceOf("ipv6:%5B::ffff:192.0.2.1%5D:40000"), SourceOf("ipv4:192.0.2.1:1"));
  EXPECT_NE(SourceOf("ipv6:%5B::ffff:192.0.2.1%5D:40000"),
            SourceOf("ipv6:%5B::ffff:192.0.2.2%5D:40000"));
}

TEST(SourceOf, TakesAnyText) {
  for (const char* text : {"", ":", "unix:", "ipv6:%5B", "ipv6:%5Bnot an address%5D:1", "fd:7"})
    EXPECT_EQ(SourceOf(text), SourceOf(text)) << text;
}

TEST(AddressOf, IsALiteralWithoutPortAndZone) {
  EXPECT_EQ(AddressOf("ipv4:192.0.2.1:40000"), "192.0.2.1");
  EXPECT_EQ(AddressOf("ipv6:%5B2001:db8:0:0::1%5D:40000"), "2001:db8::1");
  EXPECT_EQ(AddressOf("ipv6:%5Bfe80::1%25eth0%5D:40000"), "fe80::1");
  EXPECT_EQ(AddressOf("ipv6:%5B::ffff:192.0.2.1%5D:40000"), "192.0.2.1");
}

TEST(AddressOf, IsNothingWhereThereIsNone) {
  for (const char* text : {"", ":", "unix:", "unix:/run/x", "ipv4:", "ipv4:1.2.3:4", "ipv6:%5B",
                           "ipv6:%5Bnot an address%5D:1", "fd:7"})
    EXPECT_EQ(AddressOf(text), "") << text;
}

}  // namespace
}  // namespace lodekey::issuer
