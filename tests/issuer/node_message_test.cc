#include "issuer/node_message.h"

#include <gtest/gtest.h>

#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using lodekey::admin::v1::Node;
using lodekey::admin::v1::PcrValue;

TEST(NodeMessage, SaysWhichRegistersAGroupCanShareAndWhichKeyWasApproved) {
  IssuerRig issuer;
  Host host({.ek_template = "rsa2048-l1", .chip = 42});
  issuer.Admit(host);
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-not-approved");
  const std::string name(AsText(host.tpm().ak().area.name()));
  Node shown = Must(issuer::EncodeNode(*issuer.context, issuer.Record(host)));
  EXPECT_EQ(shown.shared_pcrs(), 0xffffU & ~(1U << 10) & ~(1U << 13));
  EXPECT_EQ(shown.pending_ak_name(), name);
  EXPECT_EQ(shown.approved_ak_name(), "");
  issuer.ApproveAk(host);
  shown = Must(issuer::EncodeNode(*issuer.context, issuer.Record(host)));
  EXPECT_EQ(shown.pending_ak_name(), "");
  EXPECT_EQ(shown.approved_ak_name(), name);
}

TEST(NodeMessage, ShowsTheLastVerdict) {
  IssuerRig issuer;
  Host host;
  issuer.Admit(host);
  const auto message = Must(issuer::EncodeNode(*issuer.context, issuer.Record(host)));
  EXPECT_EQ(message.id(), host.id());
  EXPECT_EQ(Answer(message.last_verdict()), "ACCEPTED");
}

TEST(NodeMessage, ShowsThatTheLastVerdictCannotBeReadAndTheRestOfTheNode) {
  IssuerRig issuer;
  Host host;
  issuer.Admit(host);
  issuer::NodeRecord record = issuer.Record(host);
  record.last_verdict.resize(record.last_verdict.size() - 1);
  const auto message = Must(issuer::EncodeNode(*issuer.context, record));
  EXPECT_EQ(message.id(), host.id());
  EXPECT_EQ(message.standing(), "active");
  EXPECT_EQ(Answer(message.last_verdict()), "OUTCOME_UNSPECIFIED verdict-unreadable");
  EXPECT_TRUE(message.last_verdict().facts().empty()) << "nothing of what was half read";
}

TEST(NodeMessage, SaysNothingOfANodeThatWasNeverJudged) {
  IssuerRig issuer;
  Host host;
  Must(issuer.inventory->Allow(host.id(), {}, "uid 0"));
  EXPECT_FALSE(Must(issuer::EncodeNode(*issuer.context, issuer.Record(host))).has_last_verdict());
}

// Values of registers 0 and 7, as the lodekey command sends what it was shown.
class PcrValuesTest : public testing::Test {
 protected:
  PcrValuesTest() {
    for (const uint8_t pcr : Bytes{0, 7})
      *node.add_pcrs() = issuer::EncodePcrValue(crypto::HashAlg::kSha256, pcr, Bytes(32, pcr));
  }
  PcrValue& last() { return *node.mutable_pcrs(1); }
  void ExpectRefused() const {
    const auto bank = issuer::DecodePcrValues(node.pcrs());
    ASSERT_FALSE(bank);
    EXPECT_EQ(bank.error().code, Code::kInvalidArgument);
    EXPECT_EQ(bank.error().Name(), "values-malformed");
  }

  Node node;
};

TEST_F(PcrValuesTest, AreReadBack) {
  EXPECT_EQ(Must(issuer::DecodePcrValues(node.pcrs())),
            (tpm::PcrBank{.values = {{0, Bytes(32, 0)}, {7, Bytes(32, 7)}}}));
  EXPECT_EQ(Must(issuer::DecodePcrValues({})), tpm::PcrBank{});
}

TEST_F(PcrValuesTest, AreOfOneKnownBank) {
  last().set_bank("sha384");
  ExpectRefused();
  for (PcrValue& value : *node.mutable_pcrs()) value.set_bank("md5");
  ExpectRefused();
}

TEST_F(PcrValuesTest, AreOfRegistersThatExistEachOnce) {
  last().set_pcr(0);
  ExpectRefused();
  for (const uint32_t pcr : {24U, 256U, 0xffffffffU}) {
    last().set_pcr(pcr);
    ExpectRefused();
  }
}

TEST_F(PcrValuesTest, AreOfTheBanksSize) {
  for (const size_t size : {size_t{0}, size_t{31}, size_t{33}}) {
    last().set_value(std::string(size, 'x'));
    ExpectRefused();
  }
}

}  // namespace
}  // namespace lodekey::test
