#include "issuer/enroller.h"

#include <algorithm>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "attest/codec.h"
#include "base/hex.h"
#include "tests/attest/ek_vendor.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::Standing;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

SoftwareTpmOptions RsaChip(unsigned chip = 31) { return {.ek_template = "rsa2048-l1", .chip = chip}; }

class EnrollerTest : public testing::Test {
 protected:
  explicit EnrollerTest(const AdjustConfig& adjust = {}) : issuer(adjust) {}

  void Allow(const Host& host) const { Must(issuer.inventory->Allow(host.id(), {}, "uid 0")); }

  IssuerRig issuer;
};

// --- What an admitted host gets ---

TEST_F(EnrollerTest, GivesAnAdmittedHostItsIdentity) {
  Host host;
  Allow(host);
  const auto response = Must(issuer.Enrol(host));
  EXPECT_EQ(Answer(response.verdict()), "ACCEPTED");
  ASSERT_EQ(host.certificates.size(), 2U);
  const crypto::Certificate& leaf = host.certificate();
  EXPECT_EQ(leaf.UriSans(), std::vector<std::string>{"spiffe://example.org/node/" + host.id()});
  EXPECT_EQ(leaf.key(), host.tpm().node_key().area.key());
  EXPECT_EQ(leaf.not_after(), issuer.now + hours(1));
  EXPECT_EQ(leaf.ExtendedKeyUsages(), (std::vector<std::string>{"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}));
  const auto root = Must(crypto::Certificate::FromDer(AsBytes(response.bundle().roots(0))));
  EXPECT_EQ(root.der(), issuer.authority->root().der());
  EXPECT_TRUE(crypto::BuildChain(leaf, {host.certificates[1]}, {root}, {.at = issuer.now}));
}

TEST_F(EnrollerTest, RemembersWhatTheEnrolmentEstablished) {
  Host host;
  issuer.Admit(host, {{"group", "edge"}});
  const issuer::NodeRecord record = issuer.Record(host);
  EXPECT_EQ(record.standing, Standing::kActive);
  ASSERT_TRUE(record.enrolment);
  const issuer::Enrolment& enrolment = *record.enrolment;
  EXPECT_EQ(enrolment.ek_public, host.tpm().ek().area.tpm2b());
  EXPECT_EQ(enrolment.ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_EQ(enrolment.node_key_public, host.tpm().node_key().area.tpm2b());
  EXPECT_EQ(enrolment.assurance, "inventory");
  EXPECT_EQ(enrolment.evidence_time, issuer.now);
  EXPECT_EQ(enrolment.clock.reset_count, host.tpm().clock.reset_count);
  EXPECT_EQ(enrolment.pcrs, host.registers);
  EXPECT_EQ(enrolment.static_pcrs, host.registers);
  EXPECT_EQ(enrolment.ledger_pcr, host.ledger_pcr);
  EXPECT_EQ(enrolment.ledger, attest::EncodeLedger(host.ledger));
  EXPECT_EQ(enrolment.ima_bytes, host.ima_list.size());
  EXPECT_EQ(enrolment.serial, host.certificate().serial());
  EXPECT_EQ(record.nonces.size(), 1U);
  EXPECT_EQ(record.last_pcrs, host.registers);
}

TEST_F(EnrollerTest, TellsWhatComesNext) {
  Host host;
  Allow(host);
  const auto response = Must(issuer.Enrol(host));
  const node::NextStep& next = response.next();
  EXPECT_EQ(next.nonce().size(), attest::kNonceSize);
  EXPECT_EQ(next.attest_in_ms(), 600'000);
  EXPECT_EQ(next.nonce_life_ms(), 660'000);
  EXPECT_EQ(next.selection().bank(), "sha256");
  EXPECT_EQ(next.selection().mask(), 0xffffU);
  EXPECT_EQ(next.ima_offset(), host.ima_list.size());
  EXPECT_EQ(response.audit_head().seq(), issuer.AuditRecords().size());
}

TEST_F(EnrollerTest, WorksForEveryKindOfKey) {
  const std::vector<SoftwareTpmOptions> chips = {{.ek_template = "p256-l2"},
                                                 {.ek_template = "p384-h3"},
                                                 RsaChip(),
                                                 {.ak_scheme = TPM2_ALG_RSASSA, .chip = 31},
                                                 {.ak_scheme = TPM2_ALG_RSAPSS, .chip = 31}};
  for (const SoftwareTpmOptions& chip : chips) {
    Host host(chip);
    Allow(host);
    EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED") << chip.ek_template << " " << chip.ak_scheme;
  }
}

TEST_F(EnrollerTest, StoresNothingAtStart) {
  Host host;
  Allow(host);
  const issuer::NodeRecord before = issuer.Record(host);
  const size_t lines = issuer.AuditRecords().size();
  Must(issuer.Start(host.Start()));
  EXPECT_EQ(issuer.Record(host), before);
  EXPECT_EQ(issuer.AuditRecords().size(), lines);
}

TEST_F(EnrollerTest, StoresABootLogOnceForAllThatHaveIt) {
  Host one;
  Host two;
  ASSERT_EQ(one.boot_log, two.boot_log);
  issuer.Admit(one);
  issuer.Admit(two);
  Must(issuer.store->Read([&](issuer::View& view) -> Result<void> {
    EXPECT_EQ(Must(view.FindLog(issuer.Record(one).enrolment->boot_log_digest)), one.boot_log);
    EXPECT_EQ(issuer.Record(one).enrolment->boot_log_digest, issuer.Record(two).enrolment->boot_log_digest);
    return {};
  }));
}

TEST_F(EnrollerTest, RecordsEveryCertificateInTheAuditLog) {
  std::vector<Bytes> serials;
  std::vector<std::string> digests;
  for (int i = 0; i < 3; ++i) {
    Host host;
    issuer.Admit(host);
    for (const auto& credential : issuer.Credentials(host)) {
      serials.push_back(credential.serial);
      digests.push_back(ToHex(crypto::Sha256(TbsOf(host.certificate()))));
    }
  }
  std::vector<Bytes> audited;
  std::vector<std::string> audited_digests;
  for (const auto& record : issuer.AuditRecords()) {
    if (record["event"] != "credential.issued") continue;
    audited.push_back(Must(ParseHex(record["serial"].get<std::string>())));
    audited_digests.push_back(record["tbs_sha256"].get<std::string>());
  }
  EXPECT_EQ(serials.size(), 3U);
  EXPECT_EQ(audited, serials);
  EXPECT_EQ(audited_digests, digests);
}

// --- Admission ---

TEST_F(EnrollerTest, RefusesAStranger) {
  Host host;
  const auto started = issuer.Start(host.Start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kDenied);
  EXPECT_EQ(started.error().Name(), "ek-not-in-inventory");
}

TEST_F(EnrollerTest, RefusesARemovedNodeUntilItIsAllowedAgain) {
  Host host;
  issuer.Admit(host);
  Must(issuer.inventory->Remove(host.id(), "uid 0"));
  EXPECT_EQ(Answer(issuer.Start(host.Start())), "node-removed");
  Allow(host);
  EXPECT_EQ(issuer.Record(host).standing, Standing::kAllowed);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

TEST_F(EnrollerTest, RefusesWhatWasRemovedBetweenTheTwoCalls) {
  Host host;
  Allow(host);
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  Must(issuer.inventory->Remove(host.id(), "uid 0"));
  EXPECT_EQ(Answer(issuer.Finish(request)), "node-removed");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRemoved);
}

TEST_F(EnrollerTest, RefusesWhatChangedBetweenTheTwoCalls) {
  Host host;
  Allow(host);
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  Must(issuer.inventory->Allow(host.id(), {{"group", "other"}}, "uid 0"));
  const auto finished = issuer.Finish(request);
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, Code::kConflict);
  EXPECT_EQ(finished.error().Name(), "node-changed");
}

TEST_F(EnrollerTest, RefusesRequestsBeyondItsBounds) {
  Host host;
  Allow(host);
  const auto refusal = [&](const std::function<void(node::StartEnrolmentRequest&)>& change) {
    node::StartEnrolmentRequest request = host.Start();
    change(request);
    return Answer(issuer.Start(request));
  };
  EXPECT_EQ(refusal([](auto& request) { request.clear_endorsement_keys(); }), "request-too-large");
  EXPECT_EQ(refusal([](auto& request) {
              while (request.endorsement_keys_size() < 9) request.add_endorsement_keys();
            }),
            "request-too-large");
  EXPECT_EQ(refusal([](auto& request) {
              for (int i = 0; i < 9; ++i) request.add_certificate_chain("x");
            }),
            "request-too-large");
  EXPECT_EQ(refusal([](auto& request) { request.add_certificate_chain(std::string(16'385, 'x')); }), "request-too-large");
  EXPECT_EQ(refusal([](auto& request) {
              while (request.endorsement_keys_size() < 8) request.add_endorsement_keys();
              for (int i = 0; i < 8; ++i) request.add_certificate_chain(std::string(2048, 'x'));
            }),
            "STARTED");
}

// --- Endorsement certificates ---

class HardwareOnlyTest : public EnrollerTest {
 protected:
  HardwareOnlyTest() : EnrollerTest([](issuer::IssuerConfig& config) { config.minimum_assurance = attest::Assurance::kHardware; }) {
    issuer.context->roots.hardware = {vendor.root()};
    Allow(host);
  }
  std::string Assured() {
    const auto answer = Answer(issuer.Enrol(host));
    return answer == "ACCEPTED" ? issuer.Record(host).enrolment->assurance : answer;
  }

  EkVendor vendor;
  Host host;
};

TEST_F(HardwareOnlyTest, AcceptsTheChipOfAKnownVendor) {
  host.ek_certificate = vendor.Certify(host.tpm().ek().area).der();
  EXPECT_EQ(Assured(), "hardware");
}

TEST_F(HardwareOnlyTest, AcceptsAnIntermediateThatTheHostBrings) {
  host.ek_certificate = vendor.CertifyBelow(host.tpm().ek().area).der();
  EXPECT_EQ(Assured(), "ek-certificate-unknown-ca");
  host.ek_chain = {vendor.intermediate().der()};
  EXPECT_EQ(Assured(), "hardware");
}

TEST_F(HardwareOnlyTest, RefusesAChipWithoutACertificate) {
  const auto started = issuer.Start(host.Start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kDenied);
  EXPECT_EQ(started.error().Name(), "ek-certificate-absent");
}

TEST_F(HardwareOnlyTest, RefusesTheChipOfAnUnknownVendor) {
  const EkVendor unknown;
  host.ek_certificate = unknown.Certify(host.tpm().ek().area).der();
  host.ek_chain = {unknown.root().der()};
  EXPECT_EQ(Assured(), "ek-certificate-unknown-ca");
}

TEST_F(HardwareOnlyTest, RefusesACertificateForAnotherUse) {
  host.ek_certificate = vendor.Certify(host.tpm().ek().area, {.usage = "1.3.6.1.5.5.7.3.1"}).der();
  EXPECT_EQ(Assured(), "ek-certificate-usage");
}

TEST_F(HardwareOnlyTest, RefusesWhatIsNoCertificate) {
  host.ek_certificate = ToBytes("not a certificate");
  EXPECT_EQ(Assured(), "ek-certificate-malformed");
}

TEST_F(HardwareOnlyTest, DoesNotTakeAnEmulatorForHardware) {
  issuer.context->roots = {.hardware = {}, .emulators = {vendor.root()}};
  host.ek_certificate = vendor.Certify(host.tpm().ek().area).der();
  EXPECT_EQ(Assured(), "assurance-too-low");
  issuer.config.minimum_assurance = attest::Assurance::kEmulator;
  EXPECT_EQ(Assured(), "emulator");
}

// A host that shows another chip's certificate lies, whatever assurance is asked for.
TEST_F(HardwareOnlyTest, RefusesTheCertificateOfAnotherChip) {
  const Host other;
  host.ek_certificate = vendor.Certify(other.tpm().ek().area).der();
  EXPECT_EQ(Assured(), "ek-certificate-mismatch");
  issuer.config.minimum_assurance = attest::Assurance::kInventory;
  EXPECT_EQ(Assured(), "ek-certificate-mismatch");
}

// A vendor's certificate proves a genuine chip, never one of ours.
TEST_F(HardwareOnlyTest, AdmitsNobodyByACertificateAlone) {
  Host stranger;
  stranger.ek_certificate = vendor.Certify(stranger.tpm().ek().area).der();
  EXPECT_EQ(Answer(issuer.Enrol(stranger)), "ek-not-in-inventory");
}

// --- Sealed state ---

TEST_F(EnrollerTest, RefusesTheSealedStateOfAnotherIssuer) {
  Host host;
  Allow(host);
  const auto started = Must(issuer.Start(host.Start()));
  const auto challenge = Must(issuer.sealer->Open(AsBytes(started.sealed_state()), issuer.now));
  auto request = Must(host.Finish(started));

  const issuer::ChallengeSealer other_key(crypto::Secret::Random(32), kTrustDomain);
  request.set_sealed_state(attest::ToField(Must(other_key.Seal(challenge))));
  EXPECT_EQ(Answer(issuer.Finish(request)), "challenge-invalid");

  const issuer::ChallengeSealer other_domain(Must(issuer.authority->OpenChallengeKey()), "example.com");
  request.set_sealed_state(attest::ToField(Must(other_domain.Seal(challenge))));
  EXPECT_EQ(Answer(issuer.Finish(request)), "challenge-invalid");

  request.set_sealed_state(started.sealed_state());
  EXPECT_EQ(Answer(issuer.Finish(request)), "ACCEPTED");
}

// A replica that shares key and database finishes what another one started.
TEST_F(EnrollerTest, FinishesOnAnyReplica) {
  Host host;
  Allow(host);
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  const issuer::ChallengeSealer sealer(Must(issuer.authority->OpenChallengeKey()), kTrustDomain);
  issuer::Context replica{.config = issuer.config,
                          .store = *issuer.store,
                          .authority = *issuer.authority,
                          .sealer = sealer,
                          .roots = {},
                          .now = [this] { return issuer.now; }};
  std::promise<std::string> answer;
  issuer::Enroller(replica).Finish(request, [&](const auto& response) { answer.set_value(Answer(response)); });
  EXPECT_EQ(answer.get_future().get(), "ACCEPTED");
}

// --- Refusals and what becomes of the node ---

TEST_F(EnrollerTest, RefusesAHostWithoutReferencesUntilItsValuesAreApproved) {
  issuer.config.appraisal.require_references = true;
  Host host;
  Allow(host);
  const auto refused = Must(issuer.Enrol(host));
  EXPECT_EQ(Answer(refused.verdict()), "NODE_REFUSED references-absent");
  EXPECT_FALSE(refused.has_identity());
  EXPECT_FALSE(refused.has_next());
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRefused);
  EXPECT_FALSE(issuer.Record(host).enrolment);
  EXPECT_TRUE(issuer.Credentials(host).empty());
  EXPECT_EQ(issuer.AuditEvents().back(), "node.enrolment-refused");

  Must(issuer.inventory->ApprovePcrs(host.id(), 0, false, "uid 0"));
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
}

// The register of the ledger holds this host's claim; a group shares the others.
TEST_F(EnrollerTest, ApprovesForAGroupWhatItsFirstHostShowedInVain) {
  issuer.config.appraisal.require_references = true;
  Host first;
  Host second;
  Allow(first);
  Allow(second);
  EXPECT_EQ(Answer(issuer.Enrol(first)), "NODE_REFUSED references-absent");
  Must(issuer.inventory->ApprovePcrs(first.id(), 0, false, "uid 0"));
  EXPECT_EQ(Answer(issuer.Enrol(first)), "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Enrol(second)), "ACCEPTED");
}

TEST_F(EnrollerTest, LeavesAnEnrolledNodeAloneWhenAMessageIsNoEvidence) {
  Host host;
  issuer.Admit(host);
  const auto enrolment = issuer.Record(host).enrolment;
  EXPECT_EQ(Answer(issuer.Enrol(host, {.quote = {.signature = [](Bytes& signature) { signature.back() ^= 1; }}})),
            "MESSAGE_REFUSED signature-invalid");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
  EXPECT_EQ(issuer.Record(host).enrolment, enrolment);
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
}

// A refusal has to be recorded however many values the group accepts.
TEST_F(EnrollerTest, RefusesAHostOfAGroupWithManyReferences) {
  Host host;
  Allow(host);
  Must(issuer.store->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
    for (uint8_t pcr = 0; pcr < 10; ++pcr) {
      for (uint8_t i = 0; i < 150; ++i) {
        RETURN_IF_ERROR(transaction.PutReference({.group = "default", .pcr = pcr, .value = Bytes(32, i), .approved = At(0), .approved_by = "uid 0"}),
                        "reference");
      }
    }
    return {};
  }));
  const auto refused = issuer.Enrol(host);
  ASSERT_TRUE(refused) << refused.error().text;
  EXPECT_EQ(refused->verdict().outcome(), lodekey::verdict::v1::Verdict::NODE_REFUSED);
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRefused);
  EXPECT_EQ(issuer.AuditRecords().back()["failed"].size(), 10U);
}

TEST_F(EnrollerTest, GivesNothingWhenTheStoreCannotRecord) {
  Host host;
  Allow(host);
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  issuer.store->Fail(Error{.code = Code::kUnavailable, .text = "the disk is full", .name = "store-unavailable"});
  const auto failed = issuer.Finish(request);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().Name(), "store-unavailable");
  EXPECT_TRUE(issuer.Credentials(host).empty());
  // Nothing was used up.
  issuer.store->Fail(std::nullopt);
  EXPECT_EQ(Answer(issuer.Finish(request)), "ACCEPTED");
}

// --- Another attestation key ---

TEST_F(EnrollerTest, RefusesAnotherAkInTheSameBootAndLeavesTheNodeAlone) {
  Host host(RsaChip());
  issuer.Admit(host);
  Host other(RsaChip());
  ASSERT_EQ(other.id(), host.id());
  const auto refused = Must(issuer.Enrol(other));
  EXPECT_EQ(refused.verdict().failed(0).code(), "ak-changed-in-boot");
  EXPECT_FALSE(refused.has_identity());
  const issuer::NodeRecord record = issuer.Record(host);
  ASSERT_TRUE(record.pending_ak);
  EXPECT_EQ(record.pending_ak->ak_name, other.tpm().ak().area.name());
  // Otherwise whoever may use the TPM could take the identity from the node.
  EXPECT_EQ(record.standing, Standing::kActive);
  EXPECT_EQ(record.enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
}

TEST_F(EnrollerTest, TakesAnotherAkInTheSameBootOnceItIsApproved) {
  issuer.config.appraisal.accept_touched_ledger = true;
  Host host(RsaChip());
  issuer.Admit(host);
  host.LoseState();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-changed-in-boot");
  const auto approved = Must(issuer.inventory->ApproveAk(host.id(), "uid 0"));
  EXPECT_TRUE(approved.changed);
  EXPECT_EQ(approved.record.approved_ak, host.tpm().ak().area.name());
  // The approval takes effect with the next enrolment, not before.
  EXPECT_NE(issuer.Record(host).enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(issuer.Record(host).enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_TRUE(issuer.Record(host).approved_ak.empty());
  EXPECT_FALSE(issuer.Record(host).pending_ak);
}

TEST_F(EnrollerTest, TakesAnotherAkInALaterBootOnceItIsApproved) {
  Host host(RsaChip());
  issuer.Admit(host);
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-not-approved");
  Must(issuer.inventory->ApproveAk(host.id(), "uid 0"));
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

TEST_F(EnrollerTest, DoesNotTakeOneAkForAnApprovedOther) {
  Host host(RsaChip());
  issuer.Admit(host);
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-not-approved");
  Must(issuer.inventory->ApproveAk(host.id(), "uid 0"));
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-not-approved");
}

TEST_F(EnrollerTest, TakesAnotherAkInALaterBootWherePolicySaysSo) {
  issuer.config.appraisal.accept_new_ak = true;
  Host host(RsaChip());
  issuer.Admit(host);
  host.LoseState();
  EXPECT_EQ(Answer(issuer.Enrol(host)).substr(0, 34), "MESSAGE_REFUSED ak-changed-in-boot");
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

// --- Enrolling again ---

TEST_F(EnrollerTest, EnrolsAgainAfterAReboot) {
  Host host;
  issuer.Admit(host);
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Attest(host)), "ENROL_AGAIN rebooted");
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
}

// Enrolling again in the same boot must not make a change of that boot disappear.
TEST_F(EnrollerTest, KeepsTheBootsFirstValuesWhenAHostEnrolsAgainInIt) {
  Host host;
  issuer.Admit(host);
  host.Extend(7);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRefused);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "NODE_REFUSED pcr-changed-in-boot");
  Must(issuer.inventory->ApprovePcrs(host.id(), 1U << 7, false, "uid 0"));
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

TEST_F(EnrollerTest, LetsOneOfManyConcurrentFinishesWin) {
  Host host;
  Allow(host);
  std::vector<node::FinishEnrolmentRequest> requests;
  for (int i = 0; i < 4; ++i) requests.push_back(Must(host.Finish(Must(issuer.Start(host.Start())))));
  std::vector<std::string> answers(requests.size());
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < requests.size(); ++i) threads.emplace_back([&, i] { answers[i] = Answer(issuer.Finish(requests[i])); });
  }
  EXPECT_EQ(std::ranges::count(answers, "ACCEPTED"), 1);
  EXPECT_EQ(std::ranges::count(answers, "node-changed"), 3);
  EXPECT_EQ(issuer.Credentials(host).size(), 1U);
}

// --- Garbage ---

class Noise {
 public:
  std::string Text(size_t max) {
    std::string text(std::uniform_int_distribution<size_t>(0, max)(random_), '\0');
    for (char& byte : text) byte = static_cast<char>(random_());
    return text;
  }
  // One byte of `text` changed, or the end cut off, or bytes added.
  std::string Damaged(std::string text) {
    if (text.empty()) return Text(40);
    const size_t at = std::uniform_int_distribution<size_t>(0, text.size() - 1)(random_);
    switch (random_() % 3) {
      case 0: text[at] = static_cast<char>(text[at] ^ static_cast<char>(1 + random_() % 255)); break;
      case 1: text.resize(at); break;
      default: text += Text(40);
    }
    return text;
  }

 private:
  std::mt19937 random_{20260131};
};

TEST_F(EnrollerTest, RefusesGarbageAtStart) {
  Host host;
  Allow(host);
  const std::string honest = host.Start().SerializeAsString();
  Noise noise;
  for (int i = 0; i < 2000; ++i) {
    node::StartEnrolmentRequest request;
    if (i % 2 == 0) {
      if (!request.ParseFromString(noise.Damaged(honest))) continue;
    } else {
      request.add_endorsement_keys()->set_public_(noise.Text(200));
      request.mutable_endorsement_keys(0)->set_certificate(noise.Text(200));
      request.set_ak_public(noise.Text(200));
      request.set_node_key_public(noise.Text(200));
    }
    EXPECT_NE(Answer(issuer.Start(request)), "");
  }
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

TEST_F(EnrollerTest, RefusesGarbageAtFinish) {
  Host host;
  Allow(host);
  Noise noise;
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    const auto started = Must(issuer.Start(host.Start()));
    const auto honest = Must(host.Finish(started));
    node::FinishEnrolmentRequest request;
    if (!request.ParseFromString(noise.Damaged(honest.SerializeAsString()))) continue;
    // What is sealed is never accepted damaged; with it whole, the rest is looked at.
    if (i % 2 == 0) request.set_sealed_state(honest.sealed_state());
    const std::string answer = Answer(issuer.Finish(request));
    EXPECT_NE(answer, "OUTCOME_UNSPECIFIED");
    refused += answer == "ACCEPTED" ? 0 : 1;
  }
  EXPECT_GT(refused, 10);
  for (int i = 0; i < 500; ++i) {
    node::FinishEnrolmentRequest request;
    request.set_sealed_state(noise.Text(400));
    request.set_activation_secret(noise.Text(40));
    EXPECT_EQ(Answer(issuer.Finish(request)), "challenge-invalid");
  }
}

}  // namespace
}  // namespace lodekey::test
