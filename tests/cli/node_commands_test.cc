#include <gtest/gtest.h>

#include "cli/node_view.h"
#include "tests/cli/fakes.h"

namespace lodekey::cli {
namespace {

using admin::v1::Node;

const Time kNow = Time(Duration(kNowMs));

Node NodeNamed(char digit) {
  Node node;
  node.set_id(std::string(64, digit));
  node.set_spiffe_id("spiffe://fleet.example/node/" + node.id());
  node.set_standing("active");
  node.set_assurance("hardware");
  node.set_group("edge");
  node.set_last_seen_unix_ms(kNowMs);
  (*node.mutable_labels())["site"] = "fra1";
  (*node.mutable_labels())["group"] = "edge";
  node.add_ek_hashes(node.id());
  return node;
}

admin::v1::PcrValue Pcr(uint32_t pcr, char value) {
  admin::v1::PcrValue message;
  message.set_bank("sha256");
  message.set_pcr(pcr);
  message.set_value(std::string(32, value));
  return message;
}

admin::v1::ChangeResponse Change(bool changed) {
  admin::v1::ChangeResponse response;
  response.set_changed(changed);
  *response.mutable_node() = NodeNamed('a');
  return response;
}

TEST(NodeList, IsATableWithLabelsInOrder) {
  EXPECT_EQ(NodeListText({NodeNamed('a')}),
            "NODE              STANDING  ASSURANCE  LAST SEEN                 EXPIRES  LABELS\n"
            "aaaaaaaaaaaaaaaa  active    hardware   2026-06-01T00:00:00.000Z  -        "
            "group=edge,site=fra1\n");
  EXPECT_EQ(NodeListText({}), "No node.\n");
}

TEST(NodeListCommand, AsksPageAfterPage) {
  CommandRig rig;
  rig.issuer.pages.resize(2);
  *rig.issuer.pages[0].add_nodes() = NodeNamed('a');
  rig.issuer.pages[0].set_next("aaaa");
  *rig.issuer.pages[1].add_nodes() = NodeNamed('b');
  EXPECT_EQ(rig.Run({"node", "list", "-o", "json", "--label", "site=fra1", "--label", "k=a=b",
                     "--standing", "active"}),
            0);
  ASSERT_EQ(rig.issuer.lists.size(), 2u);
  EXPECT_EQ(rig.issuer.lists[0].after(), "");
  EXPECT_EQ(rig.issuer.lists[1].after(), "aaaa");
  EXPECT_EQ(rig.issuer.lists[1].labels().at("site"), "fra1");
  EXPECT_EQ(rig.issuer.lists[1].labels().at("k"), "a=b");
  EXPECT_EQ(rig.issuer.lists[1].standing(), "active");
  ASSERT_EQ(rig.Json()["nodes"].size(), 2u);
  EXPECT_EQ(rig.Json()["nodes"][1]["id"], std::string(64, 'b'));
}

TEST(NodeListCommand, EndsWhenAPageNamesItself) {
  CommandRig rig;
  rig.issuer.pages.resize(9);
  for (auto& page : rig.issuer.pages) page.set_next("aaaa");
  EXPECT_EQ(rig.Run({"node", "list"}), 0);
  EXPECT_EQ(rig.issuer.lists.size(), 2u);
}

TEST(NodeListCommand, RefusesWhatIsNoLabelOrStanding) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"node", "list", "--label", "site"}), 2);
  EXPECT_EQ(rig.Run({"node", "list", "--label", "=fra1"}), 2);
  EXPECT_EQ(rig.Run({"node", "list", "--standing", "asleep"}), 2);
  EXPECT_TRUE(rig.issuer.lists.empty());
}

TEST(NodeShow, MarksWhatItsGroupApproves) {
  Node node = NodeNamed('a');
  *node.add_pcrs() = Pcr(0, '\x11');
  *node.add_pcrs() = Pcr(4, '\x22');
  *node.add_pcrs() = Pcr(8, '\x33');
  *node.add_references() = Pcr(4, '\x99');
  *node.add_references() = Pcr(4, '\x22');
  *node.add_references() = Pcr(8, '\x99');
  const std::string text = NodeText(node, kNow);
  EXPECT_NE(text.find("0    sha256  " + std::string(64, '1') + "  -\n"), text.npos) << text;
  EXPECT_NE(text.find("4    sha256  " + std::string(64, '2') + "  approved\n"), text.npos) << text;
  EXPECT_NE(text.find("8    sha256  " + std::string(64, '3') + "  not approved\n"), text.npos);
  EXPECT_NE(text.find("The issuer has not judged node aaaaaaaaaaaaaaaa yet."), text.npos);
}

TEST(NodeShow, SaysHowToApproveAPendingKey) {
  Node node = NodeNamed('a');
  node.set_pending_ak_name(std::string(34, '\x44'));
  EXPECT_NE(NodeText(node, kNow)
                .find("lodekey node approve-ak aaaaaaaaaaaaaaaa --ak " + std::string(68, '4')),
            std::string::npos);
}

TEST(NodeShow, SaysWhatEachStandingMeans) {
  for (const char* standing : {"allowed", "active", "refused", "quarantined", "removed", "new"}) {
    Node node = NodeNamed('a');
    node.set_standing(standing);
    EXPECT_TRUE(StandingSentence(node, kNow).starts_with("Node aaaaaaaaaaaaaaaa ")) << standing;
  }
}

TEST(NodeShow, TellsWhetherAnActiveNodeStillHasAnIdentity) {
  Node node = NodeNamed('a');
  node.set_standing("active");
  EXPECT_NE(StandingSentence(node, kNow).find("has no identity: it was given none yet"),
            std::string::npos);
  node.set_not_after_unix_ms(kNowMs);
  EXPECT_EQ(StandingSentence(node, kNow),
            "Node aaaaaaaaaaaaaaaa has no identity: its last one ended at "
            "2026-06-01T00:00:00.000Z.\n");
  node.set_not_after_unix_ms(kNowMs + 1000);
  EXPECT_EQ(StandingSentence(node, kNow),
            "Node aaaaaaaaaaaaaaaa has an identity until 2026-06-01T00:00:01.000Z.\n");
  node.mutable_last_verdict()->set_outcome(verdict::v1::Verdict::MESSAGE_REFUSED);
  node.mutable_last_verdict()->add_failed()->set_code("ak-not-approved");
  EXPECT_NE(StandingSentence(node, kNow).find("was not accepted"), std::string::npos);
}

TEST(NodeShowCommand, TakesNoShorterPrefixThanTheIssuer) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"node", "show", "4aff076"}), 2);
  EXPECT_EQ(rig.err(),
            "lodekey: NODE: '4aff076' is too short: a prefix of a node's id has 8 digits or more. "
            "[usage]\n  See: lodekey node show --help\n");
  EXPECT_EQ(rig.Run({"node", "remove", "4aff076"}), 2);
  EXPECT_EQ(rig.issuer.asked, "");
}

TEST(NodeShowCommand, HasNullForWhatANodeThatNeverEnrolledLacks) {
  CommandRig rig;
  Node node = NodeNamed('a');
  node.clear_evidence_unix_ms();
  rig.issuer.node = node;
  EXPECT_EQ(rig.Run({"node", "show", "aaaaaaaa", "-o", "json"}), 0);
  for (const char* name : {"firmware_version", "reset_count", "restart_count", "ima_bytes"}) {
    EXPECT_TRUE(rig.Json()["node"][name].is_null()) << name;
  }
  node.set_evidence_unix_ms(kNowMs);
  rig.issuer.node = node;
  EXPECT_EQ(rig.Run({"node", "show", "aaaaaaaa", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["node"]["reset_count"], 0);
}

TEST(NodeShowCommand, PrintsItsSchema) {
  CommandRig rig;
  Node node = NodeNamed('a');
  *node.add_pcrs() = Pcr(4, '\x22');
  rig.issuer.node = node;
  EXPECT_EQ(rig.Run({"node", "show", "aaaaaaaa", "-o", "json"}), 0);
  EXPECT_EQ(rig.issuer.asked, "aaaaaaaa");
  EXPECT_EQ(rig.Json()["schema"], 1);
  const auto json = rig.Json()["node"];
  for (const char* name : {"id",          "spiffe_id",       "standing",         "labels",
                           "group",       "ek_hashes",       "assurance",        "created",
                           "last_seen",   "evidence_time",   "not_after",        "serial",
                           "ak_name",     "pending_ak_name", "approved_ak_name", "firmware_version",
                           "reset_count", "restart_count",   "boot_log_digest",  "ima_bytes",
                           "pcrs",        "references",      "last_verdict"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  EXPECT_EQ(json["labels"]["site"], "fra1");
  EXPECT_EQ(json["last_seen"], "2026-06-01T00:00:00.000Z");
  EXPECT_TRUE(json["not_after"].is_null());
  EXPECT_EQ(json["pcrs"][0]["value"], std::string(64, '2'));
}

TEST(NodeShowCommand, EndsWithTheIssuersError) {
  CommandRig rig;
  rig.issuer.node = Fail(Code::kNotFound, "there is no node 'x'", {.name = "node-not-found"});
  EXPECT_EQ(rig.Run({"node", "show", "x"}), 1);
  EXPECT_NE(rig.err().find("[node-not-found]"), std::string::npos);
  rig.issuer.node = Fail(Code::kUnavailable, "not reachable", {.name = "admin-unreachable"});
  EXPECT_EQ(rig.Run({"node", "show", "x"}), 5);
}

TEST(NodeAllow, SendsHashAndLabels) {
  CommandRig rig;
  rig.issuer.change = Change(true);
  const std::string hash(64, 'c');
  EXPECT_EQ(rig.Run({"node", "allow", hash, "--label", "site=fra1", "--detailed-exitcode"}), 10);
  EXPECT_EQ(rig.issuer.allowed.ek_hash(), hash);
  EXPECT_EQ(rig.issuer.allowed.labels().at("site"), "fra1");
  EXPECT_NE(rig.out().find("may enrol now"), std::string::npos);
}

TEST(NodeAllow, SaysThatNothingChanged) {
  CommandRig rig;
  rig.issuer.change = Change(false);
  EXPECT_EQ(rig.Run({"node", "allow", std::string(64, 'c'), "--detailed-exitcode", "-o", "json"}),
            0);
  EXPECT_EQ(rig.Json()["changed"], false);
  EXPECT_EQ(rig.Json()["node"]["standing"], "active");
}

TEST(NodeRemove, NamesTheNode) {
  CommandRig rig;
  rig.issuer.change = Change(true);
  EXPECT_EQ(rig.Run({"node", "remove", "aaaaaaaa"}), 0);
  EXPECT_EQ(rig.issuer.asked, "aaaaaaaa");
  EXPECT_NE(rig.out().find("is removed"), std::string::npos);
}

// --- Approvals carry what was shown ---

// A node that shows registers 4, 10 and 14; 10 is its own.
struct ApprovalRig : CommandRig {
  ApprovalRig() {
    Node node = NodeNamed('a');
    *node.add_pcrs() = Pcr(4, '\x22');
    *node.add_pcrs() = Pcr(10, '\x33');
    *node.add_pcrs() = Pcr(14, '\x44');
    node.set_shared_pcrs(1U << 4 | 1U << 14);
    issuer.node = node;
    issuer.change = Change(true);
  }
  std::vector<uint32_t> ApprovedRegisters() const {
    std::vector<uint32_t> registers;
    for (const auto& value : issuer.approved.values()) registers.push_back(value.pcr());
    return registers;
  }
};

TEST(NodeApprovePcrs, SendsAndPrintsTheValuesThatTheNodeShows) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "approve-pcrs", "aaaaaaaa", "--pcr", "10-14", "--replace"}), 1)
      << "not all were shown";
  EXPECT_NE(rig.err().find("[pcr-not-shown]"), std::string::npos) << rig.err();
  EXPECT_NE(rig.err().find("PCR 11-13"), std::string::npos) << rig.err();
  EXPECT_EQ(rig.issuer.approved.node(), "");

  EXPECT_EQ(rig.Run({"node", "approve-pcrs", "aaaaaaaa", "--pcr", "10,14", "--replace"}), 0);
  EXPECT_EQ(rig.issuer.asked, "aaaaaaaa");
  EXPECT_EQ(rig.issuer.approved.node(), std::string(64, 'a'));
  EXPECT_EQ(rig.ApprovedRegisters(), (std::vector<uint32_t>{10, 14}));
  EXPECT_EQ(rig.issuer.approved.values(1).bank(), "sha256");
  EXPECT_EQ(rig.issuer.approved.values(1).value(), std::string(32, '\x44'));
  EXPECT_TRUE(rig.issuer.approved.replace());
  EXPECT_TRUE(rig.out().starts_with(
      "Approving what node aaaaaaaaaaaaaaaa showed at 2026-06-01T00:00:00.000Z:\n\n"))
      << rig.out();
  EXPECT_NE(rig.out().find("14   sha256  " + std::string(64, '4')), std::string::npos) << rig.out();
  EXPECT_NE(rig.out().find("set what the hosts of its group, 'edge', have to show"),
            std::string::npos)
      << rig.out();
}

TEST(NodeApprovePcrs, TakesWhatAGroupCanShareWithoutRegisters) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "approve-pcrs", "aaaaaaaa"}), 0);
  EXPECT_EQ(rig.ApprovedRegisters(), (std::vector<uint32_t>{4, 14}));
  EXPECT_FALSE(rig.issuer.approved.replace());
}

TEST(NodeApprovePcrs, PrintsOneObjectForPrograms) {
  ApprovalRig rig;
  *rig.issuer.change->add_approved() = Pcr(14, '\x44');
  EXPECT_EQ(rig.Run({"node", "approve-pcrs", "aaaaaaaa", "-o", "json", "--detailed-exitcode"}), 10);
  EXPECT_EQ(rig.Json()["changed"], true);
  EXPECT_EQ(rig.Json()["approved"][0]["value"], std::string(64, '4'));
  rig.issuer.change = Change(false);
  EXPECT_EQ(rig.Run({"node", "approve-pcrs", "aaaaaaaa", "-o", "json", "--detailed-exitcode"}), 0);
  EXPECT_EQ(rig.Json()["changed"], false);
}

TEST(NodeApprovePcrs, ApprovesNothingOfANodeThatHasShownNothing) {
  ApprovalRig rig;
  rig.issuer.node = NodeNamed('a');
  EXPECT_EQ(rig.Run({"node", "approve-pcrs", "aaaaaaaa"}), 1);
  EXPECT_NE(rig.err().find("[pcr-not-shown]"), std::string::npos) << rig.err();
  EXPECT_EQ(rig.issuer.approved.node(), "");
}

TEST(NodeApprovePcrs, SaysToLookAgainWhenTheEvidenceChanged) {
  ApprovalRig rig;
  rig.issuer.change = Fail(Code::kConflict, "new evidence",
                           {.name = "evidence-changed", .advice = "Look at it again"});
  EXPECT_EQ(rig.Run({"node", "approve-pcrs", "aaaaaaaa"}), 1);
  EXPECT_NE(rig.err().find("[evidence-changed]"), std::string::npos) << rig.err();
  EXPECT_NE(rig.err().find("Look at it again"), std::string::npos) << rig.err();
}

TEST(NodeApprovePcrs, RefusesWhatAreNoRegisters) {
  ApprovalRig rig;
  for (const char* registers : {"24", "7-0", "x", "0,,1"}) {
    EXPECT_EQ(rig.Run({"node", "approve-pcrs", "aaaaaaaa", "--pcr", registers}), 2) << registers;
  }
  EXPECT_EQ(rig.issuer.approved.node(), "");
}

TEST(NodeApproveAk, SendsTheNameThatIsGiven) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "approve-ak", "aaaaaaaa", "--ak", std::string(68, '5'),
                     "--detailed-exitcode"}),
            10);
  EXPECT_EQ(rig.issuer.approved_ak.node(), "aaaaaaaa");
  EXPECT_EQ(rig.issuer.approved_ak.ak_name(), std::string(34, '\x55'));
  EXPECT_EQ(rig.issuer.asked, "") << "nothing else was looked at";
}

TEST(NodeApproveAk, PrintsAndSendsTheOneThatWaits) {
  ApprovalRig rig;
  rig.issuer.node->set_pending_ak_name(std::string(34, '\x66'));
  rig.issuer.node->set_approved_ak_name(std::string(34, '\x77'));
  EXPECT_EQ(rig.Run({"node", "approve-ak", "aaaaaaaa"}), 0);
  EXPECT_EQ(rig.issuer.approved_ak.ak_name(), std::string(34, '\x66'));
  EXPECT_NE(rig.out().find(std::string(68, '6')), std::string::npos) << rig.out();
  EXPECT_EQ(rig.Run({"node", "approve-ak", "aaaaaaaa", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["changed"], true);
}

TEST(NodeApproveAk, MayBeRepeatedUntilTheHostEnrols) {
  ApprovalRig rig;
  rig.issuer.node->set_approved_ak_name(std::string(34, '\x77'));
  rig.issuer.change = Change(false);
  EXPECT_EQ(rig.Run({"node", "approve-ak", "aaaaaaaa", "--detailed-exitcode"}), 0);
  EXPECT_EQ(rig.issuer.approved_ak.ak_name(), std::string(34, '\x77'));
  EXPECT_NE(rig.out().find("nothing changed"), std::string::npos) << rig.out();
}

TEST(NodeApproveAk, ApprovesNothingWhereNoKeyWaits) {
  ApprovalRig rig;
  EXPECT_EQ(rig.Run({"node", "approve-ak", "aaaaaaaa"}), 1);
  EXPECT_NE(rig.err().find("[no-pending-ak]"), std::string::npos) << rig.err();
  EXPECT_EQ(rig.issuer.approved_ak.node(), "");
}

TEST(NodeApproveAk, RefusesWhatIsNoName) {
  ApprovalRig rig;
  for (const std::string& name : {std::string("x"), std::string("abc"), std::string(134, 'a')}) {
    EXPECT_EQ(rig.Run({"node", "approve-ak", "aaaaaaaa", "--ak", name}), 2) << name;
  }
  EXPECT_EQ(rig.issuer.approved_ak.node(), "");
}

}  // namespace
}  // namespace lodekey::cli
