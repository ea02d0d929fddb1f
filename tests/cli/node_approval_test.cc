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
  (*node.mutable_shown())["source"] = "192.0.2.7";
  return node;
}

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
  EXPECT_EQ(rig.out(),
            "NODE              ASSURANCE  SOURCE     DEVID  FIRST SEEN                "
            "LAST SEEN\n"
            "aaaaaaaaaaaaaaaa  hardware   192.0.2.7  -      2026-05-31T23:59:59.000Z  "
            "2026-06-01T00:00:00.000Z\n");
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
  EXPECT_EQ(rig.issuer.admissions[0].match().at("assurance"), "hardware");
  EXPECT_EQ(rig.issuer.admissions[0].nodes_size(), 0);
  EXPECT_TRUE(rig.issuer.admissions[0].dry_run());
  EXPECT_EQ(rig.out(),
            "Node aaaaaaaaaaaaaaaa would be approved.\n"
            "Dry run, nothing is changed: 1 approved, 0 unchanged.\n");
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
  EXPECT_NE(
      NodeText(Waiting(), Time(Duration(kNowMs))).find("assurance=hardware,source=192.0.2.7\n"),
      std::string::npos);
}

}  // namespace
}  // namespace lodekey::cli
