// Hosts that no inventory has, where the policy lets an operator approve them.
#include "issuer/admission.h"

#include <gtest/gtest.h>

#include "tests/issuer/enroller_rig.h"

namespace lodekey::test {
namespace {

using issuer::Standing;

class ApprovalTest : public EnrollerTest {
 protected:
  ApprovalTest() { issuer.Choose("/admission/unknown", "approval"); }
  std::string Enrols() { return Answer(issuer.Enrol(host)); }
  void Put(Standing standing) {
    issuer::NodeRecord record = issuer.Record(host);
    record.standing = standing;
    Must(issuer.store->CommitAndWait(
        [&](issuer::Transaction& transaction) { return transaction.PutNode(record); }));
  }

  Host host;
};

TEST_F(EnrollerTest, RefusesAHostThatNobodyKnows) {
  const auto before = issuer.AuditEvents();
  Host host;
  EXPECT_EQ(Answer(issuer.Start(host.Start())), "ek-not-in-inventory");
  EXPECT_FALSE(issuer.inventory->Find(host.id()));
  EXPECT_EQ(issuer.AuditEvents(), before);
}

TEST_F(ApprovalTest, MakesAHostWaitThatProvedItsTpm) {
  EXPECT_EQ(Answer(issuer.Start(host.Start())), "STARTED");
  EXPECT_FALSE(issuer.inventory->Find(host.id())) << "it proved nothing yet";
  EXPECT_EQ(Enrols(), "approval-pending");
  const issuer::NodeRecord record = issuer.Record(host);
  EXPECT_EQ(record.standing, Standing::kPending);
  EXPECT_EQ(record.shown.at("assurance"), "inventory");
  EXPECT_EQ(record.shown.at("source"), kCaller.address);
  EXPECT_FALSE(record.enrolment);
  EXPECT_TRUE(issuer.Credentials(host).empty());
  EXPECT_EQ(issuer.AuditEvents().back(), "node.pending");
}

TEST_F(ApprovalTest, WritesNothingForAHostThatComesAgainAtOnce) {
  EXPECT_EQ(Enrols(), "approval-pending");
  const auto events = issuer.AuditEvents();
  const uint64_t revision = issuer.Record(host).revision;
  EXPECT_EQ(Enrols(), "approval-pending");
  EXPECT_EQ(issuer.Record(host).revision, revision);
  issuer.Pass(std::chrono::minutes(2));
  EXPECT_EQ(Enrols(), "approval-pending");
  EXPECT_EQ(issuer.Record(host).last_seen, issuer.now);
  EXPECT_GT(issuer.AuditEvents().size(), events.size());
}

// Addresses are leased.
TEST_F(ApprovalTest, WritesNothingForAHostThatComesFromElsewhereAtOnce) {
  EXPECT_EQ(Enrols(), "approval-pending");
  issuer::NodeRecord record = issuer.Record(host);
  record.shown["source"] = "198.51.100.9";
  Must(issuer.store->CommitAndWait(
      [&](issuer::Transaction& transaction) { return transaction.PutNode(record); }));
  const size_t lines = issuer.AuditRecords().size();
  EXPECT_EQ(Enrols(), "approval-pending");
  EXPECT_EQ(issuer.AuditRecords().size(), lines);
  EXPECT_EQ(issuer.Record(host).shown.at("source"), "198.51.100.9");
  issuer.Pass(std::chrono::minutes(2));
  EXPECT_EQ(Enrols(), "approval-pending");
  EXPECT_EQ(issuer.Record(host).shown.at("source"), kCaller.address);
}

TEST_F(ApprovalTest, GivesTheLabelsOfTheNewestRuling) {
  const auto labelled = [](const char* site) {
    return Always(
        std::string(R"({"allow": true, "rule": "r", "obligations": [{"kind": "approval"}], )") +
            R"("labels": {"site": ")" + site + R"("}})",
        kAllowAllData);
  };
  issuer.Decide(labelled("berlin"));
  EXPECT_EQ(Enrols(), "approval-pending");
  EXPECT_EQ(issuer.Record(host).labels.at("site"), "berlin");
  issuer.Decide(labelled("fra"));
  EXPECT_EQ(Enrols(), "approval-pending");
  EXPECT_EQ(issuer.Record(host).labels.at("site"), "fra") << "at once: it is news";
}

TEST_F(ApprovalTest, TakesTheHostOnceItIsApproved) {
  EXPECT_EQ(Enrols(), "approval-pending");
  Put(Standing::kAllowed);
  EXPECT_EQ(Enrols(), "ACCEPTED");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
}

TEST_F(ApprovalTest, RefusesTheHostThatAnOperatorDenied) {
  EXPECT_EQ(Enrols(), "approval-pending");
  Put(Standing::kBarred);
  EXPECT_EQ(Enrols(), "node-barred");
  EXPECT_EQ(Answer(issuer.Start(host.Start())), "node-barred");
}

TEST_F(ApprovalTest, ForgetsTheApprovalOfNobody) {
  Allow(host);
  EXPECT_EQ(Enrols(), "ACCEPTED") << "the inventory has it";
}

TEST_F(ApprovalTest, AsksThePolicyAgainAtTheEnd) {
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  issuer.Choose("/admission/unknown", "deny");
  EXPECT_EQ(Answer(issuer.Finish(request)), "ek-not-in-inventory");
  EXPECT_FALSE(issuer.inventory->Find(host.id()));
}

TEST_F(EnrollerTest, RecordsThatAKnownHostWasDeniedAtTheEnd) {
  Host host;
  Allow(host);
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  issuer.Choose("/admission/minimum_assurance", "hardware");
  EXPECT_EQ(Answer(issuer.Finish(request)), "ek-certificate-absent");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kAllowed);
  EXPECT_EQ(issuer.AuditEvents().back(), "node.admission-refused");
  EXPECT_EQ(Answer(issuer.Finish(request)), "challenge-used");
}

TEST_F(EnrollerTest, MakesNoNodeOfAnUnknownHostByAMessageThatIsRefused) {
  issuer.Decide(Always(kAllowAll, kAllowAllData));
  const size_t before = issuer.AuditRecords().size();
  static const Bytes kOther(32, 0x11);
  Host host;
  const auto request = Must(
      host.Finish(Must(issuer.Start(host.Start())),
                  {.binding = [](attest::BindingContext& binding) { binding.nonce = kOther; }}));
  EXPECT_EQ(Answer(issuer.Finish(request)).find("MESSAGE_REFUSED"), 0U);
  EXPECT_FALSE(issuer.inventory->Find(host.id()));
  const auto lines = issuer.AuditRecords();
  ASSERT_EQ(lines.size(), before + 1);
  EXPECT_EQ(lines.back()["event"], "node.enrolment-refused");
  EXPECT_EQ(lines.back()["node"], host.id());
  Must(issuer.store->Read([](issuer::View& view) -> Result<void> {
    EXPECT_TRUE(Must(view.ListDecisions({}, 10)).empty());
    return {};
  }));
  EXPECT_EQ(Answer(issuer.Finish(request)), "challenge-used");
}

TEST_F(EnrollerTest, MakesANodeOfAnUnknownHostThatThePolicyAdmits) {
  issuer.Decide(Always(kAllowAll, kAllowAllData));
  const auto before = issuer.AuditEvents();
  Host host;
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
  EXPECT_EQ(issuer.Record(host).ek_hashes, std::vector<std::string>{host.id()});
  auto events = issuer.AuditEvents();
  events.erase(events.begin(), events.begin() + static_cast<ptrdiff_t>(before.size()));
  EXPECT_EQ(events,
            (std::vector<std::string>{"node.allowed", "node.enrolled", "credential.issued"}));
}

}  // namespace
}  // namespace lodekey::test
