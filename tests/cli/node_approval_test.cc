#include <gtest/gtest.h>

#include "cli/node_view.h"
#include "tests/cli/fakes.h"

namespace lodekey::cli {
namespace {

using admin::v1::Node;

const std::string kId(64, 'a');

Node Waiting() {
  Node node;
  node.set_id(kId);
  node.set_standing("pending");
  node.set_created_unix_ms(kNowMs - 1000);
  node.set_last_seen_unix_ms(kNowMs);
  (*node.mutable_shown())["assurance"] = "hardware";
  (*node.mutable_shown())["manufacturer"] = "INTC";
  (*node.mutable_shown())["source"] = "192.0.2.7";
  node.set_appearance("as it is");
  return node;
}

// With the whole id, which approve asks for.
const std::string kWaiting =
    "NODE" + std::string(62, ' ') +
    "ASSURANCE  MANUFACTURER  SOURCE     DEVID  FIRST SEEN                LAST SEEN\n" + kId +
    "  hardware   INTC          192.0.2.7  -      2026-05-31T23:59:59.000Z  "
    "2026-06-01T00:00:00.000Z\n";

struct ApprovalRig : CommandRig {
  ApprovalRig() {
    issuer.admitted = admin::v1::AdmitNodesResponse();
    *issuer.admitted->add_nodes() = Waiting();
    issuer.admitted->add_changed(kId);
    issuer.pages.resize(8);
    *issuer.pages[0].add_nodes() = Waiting();
  }
};

TEST(NodePending, ListsWhatEachHostShowed) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "pending"}), 0) << rig.err();
  EXPECT_EQ(rig.issuer.lists[0].standing(), "pending");
  EXPECT_EQ(rig.out(), kWaiting);
  EXPECT_EQ(rig.Run({"node", "pending"}), 0);
  EXPECT_EQ(rig.out(), "No host waits for approval.\n");
}

TEST(NodePending, PrintsItAsJson) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "pending", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["nodes"][0]["shown"]["source"], "192.0.2.7");
}

TEST(NodeApprove, SendsNamesAndLabels) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "approve", kId, "--label", "site=berlin", "--detailed-exitcode"}), 10)
      << rig.err();
  ASSERT_EQ(rig.issuer.admissions.size(), 1U);
  const auto& request = rig.issuer.admissions[0];
  EXPECT_EQ(request.nodes(0), kId);
  EXPECT_EQ(request.labels().at("site"), "berlin");
  EXPECT_FALSE(request.deny());
  EXPECT_EQ(rig.out(), "Node aaaaaaaaaaaaaaaa is approved.\n1 approved, 0 unchanged.\n");
}

TEST(NodeApprove, NeedsAWordForAll) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "approve"}), 2);
  EXPECT_EQ(rig.Run({"node", "approve", "--match", "assurance=hardware"}), 2);
  EXPECT_EQ(rig.Run({"node", "approve", kId, "--all"}), 2);
  EXPECT_EQ(rig.Run({"node", "approve", kId, "--match", "assurance=hardware"}), 2);
  EXPECT_TRUE(rig.issuer.admissions.empty());
  EXPECT_EQ(rig.Run({"node", "approve", "--all", "--match", "assurance=hardware", "--dry-run"}), 0);
  ASSERT_EQ(rig.issuer.admissions.size(), 1U);
  EXPECT_EQ(rig.issuer.admissions[0].nodes_size(), 0);
  EXPECT_TRUE(rig.issuer.admissions[0].dry_run());
  EXPECT_EQ(rig.out(), kWaiting +
                           "Node aaaaaaaaaaaaaaaa would be approved.\n"
                           "Dry run, nothing is changed: 1 approved, 0 unchanged.\n");
}

TEST(NodeApprove, SendsOfAllWhatItShows) {
  ApprovalRig rig;
  Node other = Waiting();
  other.set_id(std::string(64, 'b'));
  (*other.mutable_shown())["assurance"] = "inventory";
  *rig.issuer.pages[0].add_nodes() = other;
  EXPECT_EQ(rig.Run({"node", "approve", "--all", "--match", "assurance=hardware", "--label",
                     "site=berlin"}),
            0)
      << rig.err();
  ASSERT_EQ(rig.issuer.admissions.size(), 1U);
  const auto& request = rig.issuer.admissions[0];
  ASSERT_EQ(request.seen_size(), 1);
  EXPECT_EQ(request.seen(0).id(), kId);
  EXPECT_EQ(request.seen(0).appearance(), "as it is");
  EXPECT_EQ(request.labels().at("site"), "berlin");
  EXPECT_TRUE(rig.out().starts_with(kWaiting)) << rig.out();
  EXPECT_EQ(rig.Run({"node", "approve", "--all"}), 0) << "nobody waits";
  EXPECT_EQ(rig.issuer.admissions.size(), 1U);
}

TEST(NodeApprove, AsksForManyInSeveralCalls) {
  ApprovalRig rig;
  for (unsigned i = 0; i < 1000; ++i) *rig.issuer.pages[0].add_nodes() = Waiting();
  EXPECT_EQ(rig.Run({"node", "deny", "--all"}), 0) << rig.err();
  ASSERT_EQ(rig.issuer.admissions.size(), 2U);
  EXPECT_EQ(rig.issuer.admissions[0].seen_size(), 1000);
  EXPECT_EQ(rig.issuer.admissions[1].seen_size(), 1);
  EXPECT_TRUE(rig.issuer.admissions[1].deny());
}

TEST(NodeApprove, NamesWhatLooksOtherwiseByNow) {
  ApprovalRig rig;
  rig.issuer.admitted->clear_changed();
  rig.issuer.admitted->clear_nodes();
  rig.issuer.admitted->add_skipped(kId);
  EXPECT_NE(rig.Run({"node", "approve", "--all"}), 0);
  EXPECT_NE(rig.out().find("Node " + kId + " looks otherwise by now"), std::string::npos)
      << rig.out();
  EXPECT_NE(rig.err().find("lodekey node pending"), std::string::npos) << rig.err();
}

TEST(NodeApprove, TakesWholeIdsOnly) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "approve", kId.substr(0, 63)}), 2);
  EXPECT_EQ(rig.Run({"node", "deny", kId.substr(0, 16)}), 2);
  EXPECT_TRUE(rig.issuer.admissions.empty());
  EXPECT_NE(rig.err().find("64 digits"), std::string::npos) << rig.err();
}

TEST(NodeDeny, SendsADenial) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "deny", kId, "-o", "json"}), 0) << rig.err();
  EXPECT_TRUE(rig.issuer.admissions[0].deny());
  EXPECT_EQ(rig.Json()["changed"], true);
  EXPECT_EQ(rig.Json()["changed_nodes"][0], kId);
  rig.issuer.admitted->clear_changed();
  EXPECT_EQ(rig.Run({"node", "deny", kId, "--detailed-exitcode"}), 0);
  EXPECT_EQ(rig.out(), "0 denied, 1 unchanged.\n");
}

TEST(NodeShow, SaysWhatToDoWithAHostThatWaitsOrWasDenied) {
  Node node = Waiting();
  EXPECT_NE(StandingSentence(node, Time(Duration(kNowMs))).find("lodekey node approve"),
            std::string::npos);
  node.set_standing("barred");
  EXPECT_NE(StandingSentence(node, Time(Duration(kNowMs))).find("lodekey node allow " + kId),
            std::string::npos);
  EXPECT_NE(NodeText(Waiting(), Time(Duration(kNowMs)))
                .find("assurance=hardware,manufacturer=INTC,source=192.0.2.7\n"),
            std::string::npos);
}

}  // namespace
}  // namespace lodekey::cli
