#include "issuer/node_record.h"

#include <functional>

#include <gtest/gtest.h>

#include "issuer/node_limits.h"
#include "lodekey/store/v1/store.pb.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using test::At;
using test::FullNode;
using test::SampleNode;

Result<NodeRecord> RoundTrip(const NodeRecord& node) {
  return DecodeNodeState(node.id, node.revision, node.standing, EncodeNodeState(node));
}

Result<NodeRecord> Decode(const store::v1::NodeState& state) {
  return DecodeNodeState(test::SampleNodeId(1), 1, Standing::kActive, state.SerializeAsString());
}

store::v1::NodeState SmallState() {
  store::v1::NodeState state;
  state.mutable_last_pcrs()->set_alg("sha256");
  return state;
}

TEST(Standing, HasANameThatParses) {
  for (const Standing standing : kStandings) {
    EXPECT_EQ(test::Must(ParseStanding(StandingName(standing))), standing);
  }
}

TEST(Standing, IsNotParsedFromOtherNames) {
  for (const auto* name : {"", "Active", "active ", "unknown"}) {
    const auto standing = ParseStanding(name);
    ASSERT_FALSE(standing) << name;
    EXPECT_EQ(standing.error().code, Code::kInvalidArgument);
  }
}

TEST(NodeRecord, IsOfTheDefaultGroupUnlessALabelSaysOtherwise) {
  EXPECT_EQ(SampleNode(1).Group(), "default");
  EXPECT_EQ(FullNode(1).Group(), "edge");
}

TEST(NodeState, ReadsBackEveryField) {
  NodeRecord node = FullNode(1);
  node.revision = 17;
  EXPECT_EQ(test::Must(RoundTrip(node)), node);
}

TEST(NodeState, ReadsBackARecordWithNothingInIt) {
  const NodeRecord node = SampleNode(1);
  EXPECT_EQ(test::Must(RoundTrip(node)), node);
}

TEST(NodeState, KeepsBytesThatAreNoUtf8) {
  NodeRecord node = SampleNode(1);
  node.labels["owner"] = "M\xfcller";
  node.last_verdict = std::string("\xff\0", 2);
  EXPECT_EQ(test::Must(RoundTrip(node)), node);
}

TEST(NodeState, IsTheSameBytesForTheSameRecord) {
  EXPECT_EQ(EncodeNodeState(FullNode(1)), EncodeNodeState(FullNode(1)));
}

struct BadRecord {
  const char* what;
  std::function<void(NodeRecord&)> spoil;
};

class NodeStateOutOfRange : public ::testing::TestWithParam<BadRecord> {};

TEST_P(NodeStateOutOfRange, IsRefused) {
  NodeRecord node = FullNode(1);
  GetParam().spoil(node);
  const auto decoded = RoundTrip(node);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Code::kInvalidArgument);
  EXPECT_EQ(decoded.error().Name(), "node-state-invalid");
  EXPECT_FALSE(CheckNodeRecord(node)) << "and so it is before it is stored";
}

const BadRecord kBadRecords[] = {
    {"IdTooShort",
     [](NodeRecord& node) {
       node.id.pop_back();
       node.ek_hashes.clear();
     }},
    {"IdInUpperCase",
     [](NodeRecord& node) {
       node.id[0] = 'A';
       node.ek_hashes.clear();
     }},
    {"TooManyLabels",
     [](NodeRecord& node) {
       for (size_t i = 0; i <= kMaxLabels; ++i) node.labels[std::to_string(i)] = "x";
     }},
    {"LabelWithoutName", [](NodeRecord& node) { node.labels[""] = "x"; }},
    {"LabelNameTooLong",
     [](NodeRecord& node) { node.labels[std::string(kMaxLabelName + 1, 'x')] = "x"; }},
    {"LabelValueTooLong",
     [](NodeRecord& node) { node.labels["x"] = std::string(kMaxLabelValue + 1, 'x'); }},
    {"TooManyEndorsementKeys",
     [](NodeRecord& node) { node.ek_hashes.resize(kMaxEndorsementKeys + 1, node.id); }},
    {"EndorsementKeyNoHash", [](NodeRecord& node) { node.ek_hashes.emplace_back("key"); }},
    {"FirstEndorsementKeyNotTheId",
     [](NodeRecord& node) { node.ek_hashes[0] = test::SampleNodeId(2); }},
    {"TooManyNonces",
     [](NodeRecord& node) { node.nonces.resize(kMaxNonces + 1, node.nonces.back()); }},
    {"NonceTooShort", [](NodeRecord& node) { node.nonces[0].value.pop_back(); }},
    {"NonceDigestTooLong", [](NodeRecord& node) { node.nonces[0].request_digest.push_back(0); }},
    {"NonceReplyTooLong", [](NodeRecord& node) { node.nonces[0].reply.resize(kMaxReply + 1); }},
    {"NonceBefore1970", [](NodeRecord& node) { node.nonces[0].made = Time(Duration(-1)); }},
    {"NonceExpiresNever",
     [](NodeRecord& node) { node.nonces[0].expires = Time(Duration(INT64_MAX)); }},
    {"PublicAreaTooLarge",
     [](NodeRecord& node) { node.enrolment->ek_public.resize(kMaxPublicArea + 1); }},
    {"AssuranceUnknown", [](NodeRecord& node) { node.enrolment->assurance = "certain"; }},
    {"PcrOfAnotherBank", [](NodeRecord& node) { node.enrolment->pcrs.values[0].resize(32); }},
    {"PcrEmpty", [](NodeRecord& node) { node.enrolment->static_pcrs.values[0].clear(); }},
    {"PcrThatDoesNotExist", [](NodeRecord& node) { node.last_pcrs.values[24] = Bytes(64); }},
    {"BootLogDigestTooShort", [](NodeRecord& node) { node.enrolment->boot_log_digest.pop_back(); }},
    {"LedgerRegisterThatDoesNotExist", [](NodeRecord& node) { node.enrolment->ledger_pcr = 24; }},
    {"LedgerTooLarge", [](NodeRecord& node) { node.enrolment->ledger.resize(kMaxLedger + 1); }},
    {"ImaListTooLarge", [](NodeRecord& node) { node.enrolment->ima_bytes = kMaxImaBytes + 1; }},
    {"SerialTooLong", [](NodeRecord& node) { node.enrolment->serial.push_back(0); }},
    {"TooManyFacts",
     [](NodeRecord& node) {
       node.enrolment->facts.resize(kMaxFacts + 1, node.enrolment->facts.back());
     }},
    {"FactWithoutName", [](NodeRecord& node) { node.enrolment->facts[0].name.clear(); }},
    {"FactNameTooLong",
     [](NodeRecord& node) { node.enrolment->facts[0].name.assign(kMaxFactName + 1, 'x'); }},
    {"FactValueTooLong",
     [](NodeRecord& node) { node.enrolment->facts[0].value.assign(kMaxFactValue + 1, 'x'); }},
    {"ApprovedAkNoName", [](NodeRecord& node) { node.approved_ak.push_back(0); }},
    {"PendingAkNoName", [](NodeRecord& node) { node.pending_ak->ak_name.clear(); }},
    {"PendingAkSeenBefore1970",
     [](NodeRecord& node) { node.pending_ak->seen = Time(Duration(-1)); }},
    {"VerdictTooLong", [](NodeRecord& node) { node.last_verdict.resize(kMaxVerdict + 1, ' '); }},
    {"ResetCountDecreasedBefore1970",
     [](NodeRecord& node) { node.reset_count_decreased = Time(Duration(-1)); }},
    {"ShowsTooMuch",
     [](NodeRecord& node) {
       for (size_t i = 0; i <= kMaxShown; ++i) node.shown[std::to_string(i)] = "x";
     }},
    {"ShowsSomethingWithoutName", [](NodeRecord& node) { node.shown[""] = "x"; }},
    {"ShowsTooLongAValue",
     [](NodeRecord& node) { node.shown["devid"] = std::string(kMaxShownValue + 1, 'x'); }},
    {"DevIdTooShort", [](NodeRecord& node) { node.devid.pop_back(); }},
    {"DevIdNameTooLong", [](NodeRecord& node) { node.devid_name.assign(kMaxShownValue + 1, 'x'); }},
    {"CreatedBefore1970", [](NodeRecord& node) { node.created = Time(Duration(-1)); }},
};

INSTANTIATE_TEST_SUITE_P(Fields, NodeStateOutOfRange, ::testing::ValuesIn(kBadRecords),
                         [](const auto& instance) { return instance.param.what; });

TEST(NodeState, IsReadAtEveryLimit) {
  NodeRecord node = FullNode(1);
  node.nonces.resize(kMaxNonces, {.value = Bytes(32), .made = At(1), .expires = At(2)});
  node.enrolment->ledger.resize(kMaxLedger);
  node.enrolment->ledger_pcr = 0xff;
  node.enrolment->facts.resize(kMaxFacts, {.name = std::string(kMaxFactName, 'x'),
                                           .value = std::string(kMaxFactValue, 'x'),
                                           .grade = attest::Grade::kProved});
  node.last_verdict.resize(kMaxVerdict, ' ');
  node.ek_hashes.resize(kMaxEndorsementKeys, test::SampleNodeId(2));
  EXPECT_EQ(test::Must(RoundTrip(node)), node);
}

TEST(NodeState, IsRefusedWhenItIsNoMessage) {
  for (const std::string& state : {std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f"),
                                   std::string(kMaxNodeState + 1, '\0')}) {
    const auto decoded = DecodeNodeState(test::SampleNodeId(1), 1, Standing::kActive, state);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().Name(), "node-state-invalid");
  }
}

TEST(NodeState, IsRefusedOrDifferentWhenItIsCutShort) {
  const NodeRecord node = FullNode(1);
  const std::string whole = EncodeNodeState(node);
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto decoded = DecodeNodeState(node.id, 0, node.standing, whole.substr(0, size));
    EXPECT_TRUE(!decoded || *decoded != node) << size;
  }
}

TEST(NodeState, ReadsARecordThatIsOlderThanAField) {
  store::v1::NodeState state;
  ASSERT_TRUE(state.ParseFromString(EncodeNodeState(FullNode(1))));
  state.clear_reset_count_decreased_ms();
  NodeRecord node = FullNode(1);
  node.reset_count_decreased.reset();
  EXPECT_EQ(
      test::Must(DecodeNodeState(node.id, node.revision, node.standing, state.SerializeAsString())),
      node);
}

TEST(NodeState, IsRefusedWhenALabelStandsTwice) {
  auto state = SmallState();
  for (int i = 0; i < 2; ++i) state.add_labels()->set_name("site");
  EXPECT_EQ(Decode(state).error().Name(), "node-state-invalid");
}

TEST(NodeState, IsRefusedWhenARegisterStandsTwice) {
  auto state = SmallState();
  for (int i = 0; i < 2; ++i)
    state.mutable_last_pcrs()->add_values()->set_value(std::string(32, 'x'));
  EXPECT_EQ(Decode(state).error().Name(), "node-state-invalid");
}

TEST(NodeState, IsRefusedWhenARegisterNumberWouldWrap) {
  auto state = SmallState();
  auto& value = *state.mutable_last_pcrs()->add_values();
  value.set_pcr(256);
  value.set_value(std::string(32, 'x'));
  EXPECT_EQ(Decode(state).error().Name(), "node-state-invalid");
}

TEST(NodeState, IsRefusedWhenTheLedgerRegisterWouldWrap) {
  auto state = SmallState();
  auto& enrolment = *state.mutable_enrolment();
  enrolment.set_assurance("hardware");
  enrolment.mutable_pcrs()->set_alg("sha256");
  enrolment.mutable_static_pcrs()->set_alg("sha256");
  ASSERT_TRUE(Decode(state));
  enrolment.set_ledger_pcr(256 + 14);
  EXPECT_EQ(Decode(state).error().Name(), "node-state-invalid");
}

TEST(NodeState, IsRefusedWhenABankIsUnknown) {
  auto state = SmallState();
  state.mutable_last_pcrs()->set_alg("md5");
  EXPECT_EQ(Decode(state).error().Name(), "node-state-invalid");
}

}  // namespace
}  // namespace lodekey::issuer
