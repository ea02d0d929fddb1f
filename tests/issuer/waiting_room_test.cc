#include "issuer/waiting_room.h"

#include <gtest/gtest.h>

#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::NodeRecord;
using issuer::Standing;

constexpr const char* kFlood = "192.0.2.1";

class WaitingRoomTest : public testing::Test {
 protected:
  static constexpr uint64_t kPlaces = 4;

  NodeRecord Host(unsigned number, const std::string& source, bool with_devid = false) {
    NodeRecord record = SampleNode(number);
    record.standing = Standing::kPending;
    record.shown = {{"source", source}};
    record.last_seen = At(number);
    if (with_devid) record.devid = Bytes(32, static_cast<uint8_t>(number));
    return record;
  }
  // As a host that comes for the first time; the name of what keeps it out.
  std::string Come(const NodeRecord& host) {
    const auto done =
        issuer.store->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
          RETURN_IF_ERROR(MakeRoom(transaction, host, issuer.now, kPlaces), "room");
          return transaction.PutNode(host);
        });
    return done ? "" : std::string(done.error().Name());
  }
  bool Waits(unsigned number) { return issuer.inventory->Find(SampleNodeId(number)).has_value(); }

  IssuerRig issuer;
};

TEST_F(WaitingRoomTest, TakesAPlaceFromTheSourceThatHasMost) {
  for (const unsigned number : {2U, 3U, 4U}) EXPECT_EQ(Come(Host(number, kFlood)), "");
  EXPECT_EQ(Come(Host(1, "198.51.100.1")), "");
  EXPECT_EQ(Come(Host(5, kFlood)), "too-many-pending") << "it has its share";
  EXPECT_EQ(Come(Host(6, "203.0.113.1")), "");
  EXPECT_FALSE(Waits(2)) << "not seen for longest, of the flood";
  EXPECT_TRUE(Waits(1) && Waits(3) && Waits(4) && Waits(6));
  const auto line = issuer.AuditRecords().back();
  EXPECT_EQ(line["event"], "node.displaced");
  EXPECT_EQ(line["actor"], "issuer");
  EXPECT_EQ(line["node"], SampleNodeId(2));
  EXPECT_EQ(line["shown"]["source"], kFlood);
  EXPECT_NE(line["detail"].get<std::string>().find(SampleNodeId(6)), std::string::npos);
}

TEST_F(WaitingRoomTest, HasOneSourceForAnIpv6Network) {
  for (const unsigned number : {1U, 2U, 3U, 4U})
    EXPECT_EQ(Come(Host(number, "2001:db8:1:2::" + std::to_string(number))), "");
  EXPECT_EQ(Come(Host(5, "2001:db8:1:ffff::9")), "too-many-pending");
  EXPECT_EQ(Come(Host(6, "2001:db8:2:2::1")), "");
}

TEST_F(WaitingRoomTest, MakesRoomForADevId) {
  for (const unsigned number : {1U, 2U, 3U}) EXPECT_EQ(Come(Host(number, kFlood, true)), "");
  EXPECT_EQ(Come(Host(4, "198.51.100.1")), "");
  EXPECT_EQ(Come(Host(5, "198.51.100.1")), "too-many-pending") << "not those with a DevID";
  EXPECT_EQ(Come(Host(6, kFlood, true)), "") << "it goes before one without";
  EXPECT_FALSE(Waits(4));
  EXPECT_EQ(Come(Host(7, "198.51.100.1")), "too-many-pending") << "all others have a DevID";
  EXPECT_EQ(Come(Host(8, kFlood, true)), "too-many-pending");
  EXPECT_EQ(Come(Host(9, "198.51.100.1", true)), "");
  EXPECT_FALSE(Waits(1));
}

TEST_F(WaitingRoomTest, ForgetsNobodyWhoDoesNotWait) {
  NodeRecord node = Host(1, kFlood);
  node.standing = Standing::kAllowed;
  EXPECT_EQ(Come(node), "");
  const auto forgotten = issuer.store->CommitAndWait([&](issuer::Transaction& transaction) {
    return transaction.ForgetWaiting(node.id, issuer.now);
  });
  EXPECT_EQ(forgotten.error().Name(), "node-changed");
  EXPECT_TRUE(Waits(1));
}

}  // namespace
}  // namespace lodekey::test
