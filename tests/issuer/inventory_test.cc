#include "issuer/inventory.h"

#include <set>

#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "issuer/audit_record.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::NodeRecord;
using issuer::ReferencePcr;
using issuer::Standing;

class InventoryTest : public testing::Test {
 protected:
  issuer::ChangedNode Allow(const std::string& id,
                            const std::map<std::string, std::string>& labels = {}) const {
    return Must(issuer.inventory->Allow(id, labels, "uid 7"));
  }
  std::string NotFound(const std::string& name) const {
    const auto found = issuer.inventory->Find(name);
    return found ? "found" : std::string(found.error().Name());
  }
  std::vector<ReferencePcr> References(const std::string& group) const {
    std::vector<ReferencePcr> references;
    Must(issuer.store->Read([&](issuer::View& view) -> Result<void> {
      references = Must(view.ListReferences(group));
      return {};
    }));
    return references;
  }
  size_t Lines() const { return issuer.AuditRecords().size(); }
  // The node attests after the operator's verb was called, before it is committed.
  void AttestsBetween(Host& host) {
    issuer.store->Between([&] { EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED"); });
  }

  IssuerRig issuer;
};

// --- Allow and remove ---

TEST_F(InventoryTest, AllowsAnEndorsementKeyOnce) {
  const std::string id = SampleNodeId(1);
  const auto first = Allow(id, {{"group", "edge"}, {"site", "north"}});
  EXPECT_TRUE(first.changed);
  const NodeRecord record = Must(issuer.inventory->Find(id));
  EXPECT_EQ(record.standing, Standing::kAllowed);
  EXPECT_EQ(record.Group(), "edge");
  EXPECT_EQ(record.ek_hashes, std::vector<std::string>{id});
  const auto line = issuer.AuditRecords().back();
  EXPECT_EQ(line["event"], "node.allowed");
  EXPECT_EQ(line["actor"], "uid 7");
  EXPECT_EQ(line["node"], id);
  EXPECT_EQ(line["detail"], "group=edge,site=north");
  EXPECT_EQ(line["before"], "new");

  const size_t lines = Lines();
  EXPECT_FALSE(Allow(id).changed);
  EXPECT_FALSE(Allow(id, {{"group", "edge"}, {"site", "north"}}).changed);
  EXPECT_EQ(Lines(), lines);
}

TEST_F(InventoryTest, SetsTheLabelsThatAreNamedAndKeepsTheOthers) {
  using Labels = std::map<std::string, std::string>;
  const std::string id = SampleNodeId(1);
  const auto labels = [&] { return Must(issuer.inventory->Find(id)).labels; };
  Allow(id, {{"group", "edge"}, {"site", "berlin"}});
  EXPECT_TRUE(Allow(id, {{"owner", "web"}, {"site", "paris"}}).changed);
  EXPECT_EQ(labels(), (Labels{{"group", "edge"}, {"owner", "web"}, {"site", "paris"}}));
  EXPECT_TRUE(Allow(id, {{"owner", ""}}).changed);
  EXPECT_EQ(labels(), (Labels{{"group", "edge"}, {"site", "paris"}}));
  EXPECT_FALSE(Allow(id, {{"owner", ""}, {"site", "paris"}}).changed);
}

TEST_F(InventoryTest, RefusesWhatIsNoHashOfAKey) {
  for (const std::string& hash : {std::string(), std::string(63, 'a'), std::string(65, 'a'),
                                  std::string(64, 'A'), std::string(64, 'g')}) {
    const auto allowed = issuer.inventory->Allow(hash, {}, "uid 0");
    ASSERT_FALSE(allowed) << hash;
    EXPECT_EQ(allowed.error().Name(), "ek-hash-invalid");
  }
}

TEST_F(InventoryTest, RefusesLabelsBeyondTheLimits) {
  const auto allowed =
      issuer.inventory->Allow(SampleNodeId(1), {{std::string(65, 'x'), "y"}}, "uid 0");
  ASSERT_FALSE(allowed);
  EXPECT_EQ(allowed.error().code, Code::kInvalidArgument);
  EXPECT_EQ(NotFound(SampleNodeId(1)), "node-not-found");
}

TEST_F(InventoryTest, RemovesANodeOnceAndBringsItBack) {
  Host host;
  issuer.Admit(host);
  EXPECT_TRUE(Must(issuer.inventory->Remove(host.id(), "uid 0")).changed);
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRemoved);
  EXPECT_TRUE(issuer.Record(host).nonces.empty());
  EXPECT_EQ(issuer.AuditEvents().back(), "node.removed");
  const size_t lines = Lines();
  EXPECT_FALSE(Must(issuer.inventory->Remove(host.id(), "uid 0")).changed);
  EXPECT_EQ(Lines(), lines);

  EXPECT_TRUE(Allow(host.id()).changed);
  EXPECT_EQ(issuer.Record(host).standing, Standing::kAllowed);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

TEST_F(InventoryTest, RecordsHowTheNodeStoodBefore) {
  Host host;
  issuer.Admit(host);
  const auto before = [&] { return issuer.AuditRecords().back()["before"].get<std::string>(); };
  Allow(host.id(), {{"group", "edge"}});
  EXPECT_EQ(before(), "active");
  Must(issuer.inventory->Remove(host.id(), "uid 0"));
  EXPECT_EQ(before(), "active");
  Allow(host.id());
  EXPECT_EQ(before(), "removed");
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  const node::AttestRequest first = host.Attest();
  const node::AttestRequest second = host.Attest();
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), first)), "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), second)), "node-quarantined");
  Allow(host.id());
  EXPECT_EQ(before(), "quarantined");
}

// A node that writes all the time must not keep an operator from anything.
TEST_F(InventoryTest, ChangesANodeThatWritesMeanwhile) {
  Host host;
  issuer.Admit(host);
  AttestsBetween(host);
  EXPECT_TRUE(Allow(host.id(), {{"group", "edge"}}).changed);
  EXPECT_EQ(issuer.Record(host).Group(), "edge");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
  AttestsBetween(host);
  EXPECT_TRUE(issuer.ApprovePcrs(host).changed);
  AttestsBetween(host);
  EXPECT_TRUE(Must(issuer.inventory->Remove(host.id(), "uid 0")).changed);
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRemoved);
}

TEST_F(InventoryTest, CannotRemoveWhatIsNotThere) {
  const auto removed = issuer.inventory->Remove(SampleNodeId(9), "uid 0");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().Name(), "node-not-found");
}

// --- Names ---

TEST_F(InventoryTest, FindsANodeByIdSpiffeIdAndPrefix) {
  const std::string id = "0123456789abcdef" + std::string(48, '0');
  Allow(id);
  for (const std::string& name :
       {id, "spiffe://example.org/node/" + id, std::string("01234567"), id.substr(0, 63),
        std::string("spiffe://example.org/node/01234567")}) {
    EXPECT_EQ(Must(issuer.inventory->Find(name)).id, id) << name;
  }
}

TEST_F(InventoryTest, FindsNothingByLessOrOther) {
  const std::string id = "0123456789abcdef" + std::string(48, '0');
  Allow(id);
  for (const std::string& name :
       {std::string(), std::string("0123456"), std::string("12345678"), id + "0",
        std::string("0123456X"), std::string("012345678"), "spiffe://example.com/node/" + id,
        std::string("%"), std::string("01234567%")}) {
    EXPECT_EQ(NotFound(name), name == "012345678" ? "found" : "node-not-found") << name;
  }
}

TEST_F(InventoryTest, RefusesAPrefixOfTwoNodes) {
  const std::string one = "0123456789abcdef" + std::string(48, '0');
  const std::string two = "0123456789abcdef" + std::string(48, '1');
  Allow(one);
  Allow(two);
  EXPECT_EQ(NotFound("0123456789abcdef"), "node-ambiguous");
  EXPECT_EQ(Must(issuer.inventory->Find("0123456789abcdef1")).id, two);
}

// --- Reference values ---

TEST_F(InventoryTest, ApprovesEveryRegisterButImaAndLedger) {
  Host host;
  issuer.Admit(host, {{"group", "edge"}});
  const auto approved =
      Must(issuer.inventory->ApprovePcrs(host.id(), issuer.Shown(host), false, "uid 7"));
  EXPECT_TRUE(approved.changed);
  tpm::PcrMask mask = 0;
  for (const ReferencePcr& reference : References("edge")) {
    mask |= 1U << reference.pcr;
    EXPECT_EQ(reference.value, host.registers.values[reference.pcr]);
    EXPECT_EQ(reference.approved_by, "uid 7");
  }
  EXPECT_EQ(mask, 0xffffU & ~(1U << 10) & ~(1U << host.ledger_pcr));
  EXPECT_TRUE(References("default").empty());
  const auto line = issuer.AuditRecords().back();
  EXPECT_EQ(line["detail"], "group edge: sha256:0-9,11-12,14-15");
  ASSERT_EQ(line["values"].size(), 14U);
  EXPECT_EQ(line["values"][7]["pcr"], 7);
  EXPECT_EQ(line["values"][7]["value"], ToHex(host.registers.values[7]));
}

TEST_F(InventoryTest, ApprovesTheNamedRegistersOnly) {
  Host host;
  issuer.Admit(host);
  issuer.ApprovePcrs(host, 1U << 7 | 1U << 10);
  EXPECT_EQ(References("default").size(), 2U);
}

TEST_F(InventoryTest, ApprovesTheSameOnce) {
  Host host;
  issuer.Admit(host);
  issuer.ApprovePcrs(host);
  const size_t lines = Lines();
  for (const bool replace : {false, true}) {
    const auto again = issuer.ApprovePcrs(host, 0, replace);
    EXPECT_FALSE(again.changed);
    EXPECT_EQ(again.approved.size(), 14U);
  }
  EXPECT_EQ(Lines(), lines);
}

TEST_F(InventoryTest, KeepsOtherValuesUnlessTheyAreReplaced) {
  Host host;
  issuer.Admit(host);
  const Bytes before = host.registers.values[7];
  issuer.ApprovePcrs(host);
  host.Extend(7);
  EXPECT_EQ(Answer(issuer.Attest(host)), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_TRUE(issuer.ApprovePcrs(host, 1U << 7).changed);
  EXPECT_EQ(References("default").size(), 15U);
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");

  EXPECT_TRUE(issuer.ApprovePcrs(host, 1U << 7, true).changed);
  EXPECT_EQ(References("default").size(), 14U);
  for (const ReferencePcr& reference : References("default")) EXPECT_NE(reference.value, before);
  const auto records = issuer.AuditRecords();
  const auto& approved = records.at(records.size() - 2);
  EXPECT_EQ(approved["event"], "pcrs.approved");
  EXPECT_EQ(approved["values"][0]["value"], ToHex(host.registers.values[7]));
  const auto& forgotten = records.back();
  EXPECT_EQ(forgotten["event"], "pcrs.forgotten");
  EXPECT_EQ(forgotten["actor"], "uid 0");
  EXPECT_EQ(forgotten["detail"], "group default: sha256:7");
  ASSERT_EQ(forgotten["values"].size(), 1U);
  EXPECT_EQ(forgotten["values"][0]["value"], ToHex(before));
}

TEST_F(InventoryTest, RecordsEveryValueThatIsForgotten) {
  Host host;
  issuer.Admit(host);
  constexpr size_t kMany = issuer::kMaxAuditValues + 1;
  Must(issuer.store->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
    for (size_t i = 0; i < kMany; ++i) {
      const Bytes value = ToBytes(crypto::Sha256(AsBytes(std::to_string(i))));
      Must(transaction.PutReference({.group = "default",
                                     .pcr = 7,
                                     .value = value,
                                     .approved = At(0),
                                     .approved_by = "uid 0"}));
    }
    return {};
  }));
  EXPECT_TRUE(issuer.ApprovePcrs(host, 1U << 7, true).changed);
  EXPECT_EQ(References("default").size(), 1U);
  std::set<std::string> forgotten;
  for (const auto& record : issuer.AuditRecords()) {
    if (record["event"] != "pcrs.forgotten") continue;
    for (const auto& value : record["values"]) forgotten.insert(value["value"]);
  }
  EXPECT_EQ(forgotten.size(), kMany);
}

// Evidence that arrives between the look and the approval is looked at first.
TEST_F(InventoryTest, ApprovesNothingWhenTheEvidenceChangedSinceItWasSeen) {
  Host host;
  issuer.Admit(host);
  const tpm::PcrBank seen = issuer.Shown(host);
  host.Extend(7);
  host.Extend(8);
  EXPECT_EQ(Answer(issuer.Attest(host)), "NODE_REFUSED pcr-changed-in-boot,pcr-changed-in-boot");
  const size_t lines = Lines();
  const NodeRecord before = issuer.Record(host);
  for (const bool replace : {false, true}) {
    const auto approved = issuer.inventory->ApprovePcrs(host.id(), seen, replace, "uid 0");
    ASSERT_FALSE(approved);
    EXPECT_EQ(approved.error().code, Code::kConflict);
    EXPECT_EQ(approved.error().Name(), "evidence-changed");
    EXPECT_NE(approved.error().text.find("PCR 7-8"), std::string::npos) << approved.error().text;
    EXPECT_EQ(approved.error().advice,
              "Look at it again, then approve what it shows: lodekey node show " + host.id());
  }
  EXPECT_TRUE(References("default").empty());
  EXPECT_EQ(issuer.Record(host), before);
  EXPECT_EQ(Lines(), lines);
  EXPECT_TRUE(issuer.ApprovePcrs(host).changed) << "having looked again";
}

TEST_F(InventoryTest, ApprovesNothingWhenTheEvidenceChangesMeanwhile) {
  Host host;
  issuer.Admit(host);
  const tpm::PcrBank seen = issuer.Shown(host);
  host.Extend(7);
  issuer.store->Between(
      [&] { EXPECT_EQ(Answer(issuer.Attest(host)), "NODE_REFUSED pcr-changed-in-boot"); });
  const auto approved = issuer.inventory->ApprovePcrs(host.id(), seen, false, "uid 0");
  ASSERT_FALSE(approved);
  EXPECT_EQ(approved.error().Name(), "evidence-changed");
  EXPECT_TRUE(References("default").empty());
}

TEST_F(InventoryTest, ApprovesARegisterThatStandsWhileAnotherMoves) {
  Host host;
  issuer.Admit(host);
  const tpm::PcrBank seen = issuer.Shown(host, 1U << 4);
  host.Extend(11);
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
  EXPECT_TRUE(Must(issuer.inventory->ApprovePcrs(host.id(), seen, false, "uid 0")).changed);
}

TEST_F(InventoryTest, CannotApproveWhatWasNotShown) {
  Host host;
  Allow(host.id());
  const auto refusal = [&](const tpm::PcrBank& seen) {
    const auto approved = issuer.inventory->ApprovePcrs(host.id(), seen, false, "uid 0");
    return approved ? "approved" : std::string(approved.error().Name());
  };
  EXPECT_EQ(refusal({}), "values-missing");
  EXPECT_EQ(refusal({.values = {{7, Bytes(32, 1)}}}), "evidence-changed");
  issuer.Admit(host);
  EXPECT_EQ(refusal({}), "values-missing");
  EXPECT_EQ(refusal({.values = {{23, Bytes(32)}}}), "evidence-changed");
  tpm::PcrBank other_bank = issuer.Shown(host);
  other_bank.alg = crypto::HashAlg::kSha384;
  EXPECT_EQ(refusal(other_bank), "evidence-changed");
  EXPECT_TRUE(References("default").empty());
}

// What a host says of its ledger must not keep a register of the boot from being pinned.
TEST_F(InventoryTest, LeavesOutNoBootRegisterThatAHostCallsItsLedger) {
  issuer.Choose("/appraisal/require_references", true);
  Host host;
  Allow(host.id());
  EXPECT_EQ(Answer(issuer.Enrol(host, {.finish =
                                           [](node::FinishEnrolmentRequest& request) {
                                             request.mutable_evidence()->set_ledger_pcr(7);
                                           }})),
            "NODE_REFUSED ledger-register,references-absent");
  issuer.ApprovePcrs(host);
  tpm::PcrMask mask = 0;
  for (const ReferencePcr& reference : References("default")) mask |= 1U << reference.pcr;
  EXPECT_NE(mask & 1U << 7, 0U);
}

// Its own value of the register would shut out the rest of its group.
TEST_F(InventoryTest, ApprovesNoValueOfTheLedgersRegister) {
  Host host;
  issuer.Admit(host);
  const tpm::PcrBank shown = issuer.Record(host).last_pcrs;
  const tpm::PcrBank ledger{.alg = shown.alg, .values = {{13, shown.values.at(13)}}};
  const auto approved = issuer.inventory->ApprovePcrs(host.id(), ledger, false, "uid 0");
  ASSERT_FALSE(approved);
  EXPECT_EQ(approved.error().Name(), "pcr-of-ledger");
}

TEST_F(InventoryTest, LeavesOutTheLedgersRegisterOfAHostThatStatesNone) {
  issuer.Choose("/appraisal/require_claim", false);
  Host host;
  host.ledger_pcr = attest::kNoLedger;
  host.ledger.clear();
  issuer.Admit(host);
  EXPECT_EQ(issuer.inventory->SharedPcrs(issuer.Record(host)), 0xffffU & ~(1U << 10 | 1U << 13));
}

// --- Attestation keys ---

class WaitingAkTest : public InventoryTest {
 protected:
  WaitingAkTest() : host({.ek_template = "rsa2048-l1", .chip = 41}) { issuer.Admit(host); }
  // The host boots and tries to enrol with another AK than before. Returns its name.
  Bytes ShowAnotherAk() {
    host.LoseState();
    host.Reboot();
    EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-not-approved");
    return host.tpm().ak().area.name();
  }
  Result<issuer::ChangedNode> Approve(const Bytes& ak_name) {
    return issuer.inventory->ApproveAk(host.id(), ak_name, "uid 0");
  }

  Host host;
};

TEST_F(WaitingAkTest, IsNotApprovedWhereNoneWaits) {
  for (const Bytes& name : {Bytes{}, Bytes(34, 1)}) {
    const auto approved = Approve(name);
    ASSERT_FALSE(approved);
    EXPECT_EQ(approved.error().code, Code::kNotFound);
    EXPECT_EQ(approved.error().Name(), "no-pending-ak");
  }
}

TEST_F(WaitingAkTest, IsApprovedOnce) {
  const Bytes name = ShowAnotherAk();
  EXPECT_TRUE(Must(Approve(name)).changed);
  EXPECT_EQ(issuer.AuditRecords().back()["detail"], ToHex(name));
  EXPECT_FALSE(issuer.Record(host).pending_ak);
  const size_t lines = Lines();
  EXPECT_FALSE(Must(Approve(name)).changed);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_FALSE(Must(Approve(name)).changed) << "it enrolled since";
  EXPECT_EQ(Lines(), lines + 2) << "the enrolment and its certificate";
}

TEST_F(WaitingAkTest, IsNotApprovedInThePlaceOfTheOneThatWasSeen) {
  const Bytes seen = ShowAnotherAk();
  const Bytes other = ShowAnotherAk();
  const NodeRecord before = issuer.Record(host);
  const size_t lines = Lines();
  for (const Bytes& name : {seen, Bytes{}}) {
    const auto approved = Approve(name);
    ASSERT_FALSE(approved);
    EXPECT_EQ(approved.error().code, Code::kConflict);
    EXPECT_EQ(approved.error().Name(), "ak-changed");
    EXPECT_NE(approved.error().text.find(ToHex(other)), std::string::npos);
    EXPECT_NE(approved.error().advice.find("lodekey node show " + host.id()), std::string::npos);
  }
  EXPECT_EQ(issuer.Record(host), before);
  EXPECT_EQ(Lines(), lines);
  EXPECT_TRUE(Must(Approve(other)).changed) << "having looked again";
}

TEST_F(WaitingAkTest, IsNotApprovedWhenAnotherTakesItsPlaceMeanwhile) {
  const Bytes seen = ShowAnotherAk();
  Bytes other;
  issuer.store->Between([&] { other = ShowAnotherAk(); });
  const auto approved = Approve(seen);
  ASSERT_FALSE(approved);
  EXPECT_EQ(approved.error().Name(), "ak-changed");
  EXPECT_EQ(issuer.Record(host).pending_ak->ak_name, other);
  issuer.store->Between([&] { Must(issuer.inventory->Allow(host.id(), {{"a", "b"}}, "uid 1")); });
  EXPECT_TRUE(Must(Approve(other)).changed);
  EXPECT_EQ(issuer.Record(host).labels.at("a"), "b");
}

TEST_F(WaitingAkTest, LeavesAnApprovalAloneWhenAnotherTries) {
  const Bytes approved = ShowAnotherAk();
  EXPECT_TRUE(Must(Approve(approved)).changed);
  ShowAnotherAk();
  EXPECT_FALSE(Must(Approve(approved)).changed);
  EXPECT_EQ(issuer.Record(host).approved_ak, approved);
}

}  // namespace
}  // namespace lodekey::test
