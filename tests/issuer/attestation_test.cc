#include "issuer/attestation.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "attest/codec.h"
#include "crypto/certificate_builder.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using issuer::IssuedNonce;
using issuer::Standing;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class AttestationTest : public testing::Test {
 protected:
  AttestationTest() { issuer.Admit(host); }

  std::string Attests(const HostChanges& changes = {}) {
    return Answer(issuer.Attest(host, changes));
  }
  Standing StandingNow() const { return issuer.Record(host).standing; }

  IssuerRig issuer;
  Host host;
};

// --- Renewal ---

TEST_F(AttestationTest, RenewsTheCertificateAtHalfItsLife) {
  const Bytes first = host.certificate().serial();
  for (int i = 0; i < 3; ++i) {
    issuer.Pass(minutes(10));
    const auto attested = Must(issuer.Attest(host));
    EXPECT_FALSE(attested.has_identity()) << i;
  }
  issuer.Pass(milliseconds(1));
  const auto renewed = Must(issuer.Attest(host));
  ASSERT_TRUE(renewed.has_identity());
  EXPECT_NE(host.certificate().serial(), first);
  // Counted from when the nonce was made: a millisecond ago.
  EXPECT_EQ(host.certificate().not_after(), issuer.now - milliseconds(1) + hours(1));
  EXPECT_EQ(issuer.Record(host).enrolment->serial, host.certificate().serial());
  EXPECT_EQ(issuer.Credentials(host).size(), 2U);
  EXPECT_EQ(Attests(), "ACCEPTED");
}

TEST_F(AttestationTest, LetsTheEarlierCertificateAttestUntilItEnds) {
  const crypto::Certificate first = host.certificate();
  issuer.Pass(minutes(10));
  EXPECT_EQ(Attests(), "ACCEPTED");
  issuer.Pass(minutes(10));
  EXPECT_EQ(Attests(), "ACCEPTED");
  issuer.Pass(minutes(10) + milliseconds(1));
  ASSERT_TRUE(Must(issuer.Attest(host)).has_identity());
  EXPECT_EQ(Answer(issuer.Attest(first, host.Attest())), "ACCEPTED");
}

TEST_F(AttestationTest, GivesANonceToWhoAsksForOne) {
  const auto answer = Must(issuer.Attest(host.certificate(), node::AttestRequest()));
  EXPECT_FALSE(answer.has_verdict());
  EXPECT_FALSE(answer.has_identity());
  EXPECT_EQ(answer.next().nonce().size(), attest::kNonceSize);
  host.Take(answer);
  EXPECT_EQ(Attests(), "ACCEPTED");
}

TEST_F(AttestationTest, RecordsEachAppraisalAndCertificate) {
  const size_t before = issuer.AuditRecords().size();
  issuer.Pass(minutes(10));
  EXPECT_EQ(Attests(), "ACCEPTED");
  issuer.config.node_ttl = hours(10);
  EXPECT_EQ(Attests(), "ACCEPTED");
  const auto events = issuer.AuditEvents();
  EXPECT_EQ(std::vector(events.begin() + static_cast<ptrdiff_t>(before), events.end()),
            (std::vector<std::string>{"node.attested", "node.attested", "credential.issued"}));
  EXPECT_EQ(issuer.AuditRecords().back()["serial"], ToHex(host.certificate().serial()));
}

// On the writer's thread nobody else would catch it.
TEST_F(AttestationTest, AnswersThoughItsEndThrows) {
  const node::AttestRequest request = host.Attest();
  issuer.store->Hold();
  const auto failed = issuer.ReleaseThrowing(issuer.AttestLater(host.certificate(), request));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kInternal);
  EXPECT_NE(failed.error().text.find("boom"), std::string::npos) << failed.error().text;
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), request)), "ACCEPTED") << "it was recorded";
}

// --- Nonces ---

std::vector<std::string> UnusedNonces(const issuer::NodeRecord& record) {
  std::vector<std::string> unused;
  for (const IssuedNonce& nonce : record.nonces) {
    if (nonce.request_digest.empty()) unused.push_back(attest::ToField(nonce.value));
  }
  return unused;
}

TEST_F(AttestationTest, LeavesTwoNoncesOutstandingAtMost) {
  std::vector<std::string> given = {host.next.nonce()};
  for (int i = 0; i < 3; ++i) {
    given.push_back(Must(issuer.Attest(host.certificate(), node::AttestRequest())).next().nonce());
    EXPECT_LE(UnusedNonces(issuer.Record(host)).size(), 2U);
  }
  EXPECT_EQ(UnusedNonces(issuer.Record(host)), (std::vector<std::string>{given[2], given[3]}));
  host.next.set_nonce(given[1]);
  EXPECT_EQ(Attests(), "MESSAGE_REFUSED nonce-unknown");
}

TEST_F(AttestationTest, TakesEitherOfTwoOutstandingNonces) {
  const std::string first = host.next.nonce();
  const std::string second =
      Must(issuer.Attest(host.certificate(), node::AttestRequest())).next().nonce();
  host.next.set_nonce(second);
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), host.Attest())), "ACCEPTED");
  host.next.set_nonce(first);
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), host.Attest())), "ACCEPTED");
}

TEST_F(AttestationTest, LeavesTheNonceToHonestEvidenceAfterARefusedMessage) {
  const node::AttestRequest honest = host.Attest();
  node::AttestRequest damaged = honest;
  damaged.mutable_evidence()->mutable_quote()->back() ^= 1;
  const auto refused = Must(issuer.Attest(host.certificate(), damaged));
  EXPECT_EQ(Answer(refused.verdict()), "MESSAGE_REFUSED signature-invalid");
  EXPECT_TRUE(refused.has_next());
  EXPECT_EQ(StandingNow(), Standing::kActive);
  EXPECT_EQ(issuer.AuditEvents().back(), "message.refused");
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), honest)), "ACCEPTED");
}

TEST_F(AttestationTest, RefusesWhatCannotBeEvidenceAndKeepsTheNonce) {
  const node::AttestRequest honest = host.Attest();
  node::AttestRequest malformed = honest;
  malformed.mutable_evidence()->set_quote(std::string(5000, 'x'));
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), malformed)), "evidence-malformed");
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), honest)), "ACCEPTED");
}

TEST_F(AttestationTest, QuarantinesASecondValidQuoteOverOneNonce) {
  const node::AttestRequest first = host.Attest();
  const node::AttestRequest second = host.Attest();
  ASSERT_EQ(first.nonce(), second.nonce());
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), first)), "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), second)), "node-quarantined");
  EXPECT_EQ(StandingNow(), Standing::kQuarantined);
  EXPECT_EQ(issuer.AuditEvents().back(), "node.quarantined");
  lodekey::verdict::v1::Verdict explained;
  ASSERT_TRUE(explained.ParseFromString(issuer.Record(host).last_verdict));
  EXPECT_EQ(Answer(explained), "NODE_QUARANTINED nonce-reused");
  EXPECT_NE(explained.failed(0).accept().find("lodekey node allow " + host.id()),
            std::string::npos);
  // Nothing is answered until an operator has looked, not even the first request again.
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), first)), "node-quarantined");
  EXPECT_EQ(Answer(issuer.Start(host.Start())), "node-quarantined");
  Must(issuer.inventory->Allow(host.id(), {}, "uid 0"));
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), first)), "peer-certificate")
      << "it is as before its first enrolment";
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

TEST_F(AttestationTest, QuarantinesAClockThatGoesBack) {
  EXPECT_EQ(Attests(), "ACCEPTED");
  host.tpm().clock.clock -= 5000;
  EXPECT_EQ(Attests(), "NODE_QUARANTINED clock-went-back");
  EXPECT_EQ(StandingNow(), Standing::kQuarantined);
  EXPECT_EQ(issuer.AuditEvents().back(), "node.quarantined");
  EXPECT_EQ(Attests(), "node-quarantined");
}

TEST_F(AttestationTest, AnswersARefusedRequestAlikeWhenItComesAgain) {
  host.Extend(7);
  const node::AttestRequest request = host.Attest();
  const auto first = Must(issuer.Attest(host.certificate(), request));
  const auto second = Must(issuer.Attest(host.certificate(), request));
  EXPECT_EQ(Answer(first.verdict()), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_EQ(first.verdict().SerializeAsString(), second.verdict().SerializeAsString());
  EXPECT_EQ(first.next().SerializeAsString(), second.next().SerializeAsString());
  EXPECT_FALSE(second.has_identity());
}

// A reply that carried an identity is not given again once later evidence was refused.
TEST_F(AttestationTest, DoesNotRepeatAnIdentityThatWasWithdrawn) {
  issuer.config.node_ttl = hours(10);
  const node::AttestRequest accepted = host.Attest();
  const auto first = Must(issuer.Attest(host.certificate(), accepted));
  ASSERT_TRUE(first.has_identity());
  host.Take(first);
  host.Extend(7);
  EXPECT_EQ(Attests(), "NODE_REFUSED pcr-changed-in-boot");
  const auto again = Must(issuer.Attest(host.certificate(), accepted));
  EXPECT_EQ(Answer(again.verdict()), "MESSAGE_REFUSED nonce-unknown");
  EXPECT_FALSE(again.has_identity());
}

TEST_F(AttestationTest, LetsOneOfTwoRequestsAtOnceWin) {
  const std::string first_nonce = host.next.nonce();
  const node::AttestRequest first = host.Attest();
  host.next.set_nonce(
      Must(issuer.Attest(host.certificate(), node::AttestRequest())).next().nonce());
  const node::AttestRequest second = host.Attest();
  issuer.store->Hold();
  auto one = issuer.AttestLater(host.certificate(), first);
  auto two = issuer.AttestLater(host.certificate(), second);
  issuer.store->Release();
  EXPECT_EQ(Answer(one.get()), "ACCEPTED");
  EXPECT_EQ(Answer(two.get()), "node-changed");
  // And it can be sent again as it is.
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), second)), "ACCEPTED");
}

TEST_F(AttestationTest, GivesNothingWhenTheStoreCannotRecord) {
  issuer.config.node_ttl = hours(10);
  const node::AttestRequest request = host.Attest();
  issuer.store->Fail(
      Error{.code = Code::kUnavailable, .text = "the disk is full", .name = "audit-unavailable"});
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), request)), "audit-unavailable");
  issuer.store->Fail(std::nullopt);
  const auto answer = Must(issuer.Attest(host.certificate(), request));
  EXPECT_EQ(Answer(answer.verdict()), "ACCEPTED");
  EXPECT_TRUE(answer.has_identity());
}

// --- Refusal and return ---

TEST_F(AttestationTest, WithdrawsTheIdentityUntilTheChangeIsApproved) {
  host.Extend(4);
  EXPECT_EQ(Attests(), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_EQ(StandingNow(), Standing::kRefused);
  EXPECT_EQ(Attests(), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_EQ(issuer.AuditEvents().back(), "node.refused");
  issuer.ApprovePcrs(host, 1U << 4);
  const auto accepted = Must(issuer.Attest(host));
  EXPECT_EQ(Answer(accepted.verdict()), "ACCEPTED");
  EXPECT_TRUE(accepted.has_identity()) << "the withdrawn identity has to be replaced";
  EXPECT_EQ(StandingNow(), Standing::kActive);
}

TEST_F(AttestationTest, SendsAHostThatRebootedToEnrolAgain) {
  host.Reboot();
  const auto answer = Must(issuer.Attest(host));
  EXPECT_EQ(Answer(answer.verdict()), "ENROL_AGAIN rebooted");
  EXPECT_FALSE(answer.has_identity());
  EXPECT_EQ(Attests(), "node-not-enrolled");
}

// --- Who is asking ---

// A certificate by a CA that bears the name of the issuer's intermediate, with the serial of the
// host's own.
crypto::Certificate Forged(const Host& host, const crypto::PublicKey& key, const std::string& uri) {
  const auto ca_key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const Time end = At(0) + hours(24 * 365);
  const auto ca =
      Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                    .common_name = "lodekey intermediate of example.org",
                                    .not_before = At(0),
                                    .not_after = end,
                                    .ca = true},
                                   ca_key.public_key(), nullptr, ca_key));
  EXPECT_EQ(ca.subject(), host.certificates[1].subject());
  const crypto::CertificateSpec spec{.serial = host.certificate().serial(),
                                     .not_before = At(0),
                                     .not_after = end,
                                     .uri_sans = {uri},
                                     .client_auth = true};
  return Must(crypto::SignCertificate(spec, key, &ca, ca_key));
}

TEST_F(AttestationTest, RefusesTheCertificateOfAForgedCa) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const std::string uri = host.certificate().UriSans().front();
  EXPECT_EQ(Answer(issuer.Attest(Forged(host, key.public_key(), uri), host.Attest())),
            "peer-certificate");
}

TEST_F(AttestationTest, RefusesASerialThatWasIssuedToAnotherNode) {
  Host other;
  issuer.Admit(other);
  const auto forged = Forged(other, host.certificate().key(), host.certificate().UriSans().front());
  EXPECT_EQ(Answer(issuer.Attest(forged, host.Attest())), "peer-certificate");
}

TEST_F(AttestationTest, RefusesCertificatesThatAreNotANodes) {
  const crypto::PublicKey& key = host.certificate().key();
  for (const std::string& uri :
       {std::string("spiffe://example.com/node/") + host.id(),
        std::string("spiffe://example.org/lodekey/issuer"),
        std::string("spiffe://example.org/node/"), host.certificate().UriSans().front() + "/x"}) {
    EXPECT_EQ(Answer(issuer.Attest(Forged(host, key, uri), host.Attest())), "peer-certificate")
        << uri;
  }
  const auto server = Must(issuer.authority->MakeServerIdentity(issuer.now, hours(1)));
  EXPECT_EQ(
      Answer(issuer.Attest(Must(crypto::Certificate::FromPem(server.chain_pem)), host.Attest())),
      "peer-certificate");
}

TEST_F(AttestationTest, RefusesAnExpiredCertificate) {
  issuer.Pass(hours(1) - milliseconds(1));
  EXPECT_TRUE(issuer.Attest(host.certificate(), node::AttestRequest()));
  issuer.Pass(milliseconds(1));
  const auto refused = issuer.Attest(host.certificate(), node::AttestRequest());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUntrusted);
  EXPECT_EQ(refused.error().Name(), "peer-expired");
}

// The forged copy of an expired certificate says what it likes of its end.
TEST_F(AttestationTest, BelievesItsOwnRecordOfTheExpiry) {
  const auto forged = Forged(host, host.certificate().key(), host.certificate().UriSans().front());
  issuer.Pass(hours(1));
  EXPECT_EQ(Answer(issuer.Attest(forged, node::AttestRequest())), "peer-expired");
}

TEST_F(AttestationTest, RefusesARemovedNode) {
  Must(issuer.inventory->Remove(host.id(), "uid 0"));
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), node::AttestRequest())), "node-removed");
}

// --- Limits ---

// A node's share is counted by a clock that only goes forward.
TEST_F(AttestationTest, GoesOnAfterTheWallClockWasSetBack) {
  const auto answer = [&] {
    return Answer(issuer.Attest(host.certificate(), node::AttestRequest()));
  };
  EXPECT_EQ(answer(), "OUTCOME_UNSPECIFIED");
  issuer.Pass(-hours(24));
  for (int i = 0; i < 20; ++i) answer();
  EXPECT_TRUE(Eventually([&] { return answer() != "too-many-attestations"; }));
}

// --- Logs ---

TEST_F(AttestationTest, AppendsTheImaListFromTheOffsetItDictated) {
  const size_t enrolled = host.ima_list.size();
  EXPECT_EQ(host.next.ima_offset(), enrolled);
  const Bytes more = ToBytes("cron nginx ");
  host.ima_list.insert(host.ima_list.end(), more.begin(), more.end());
  EXPECT_EQ(Attests(), "ACCEPTED");
  EXPECT_EQ(host.next.ima_offset(), enrolled + more.size());
  EXPECT_EQ(issuer.Record(host).enrolment->ima_bytes, enrolled + more.size());
  // Nothing new: nothing stored.
  EXPECT_EQ(Attests(), "ACCEPTED");
  EXPECT_EQ(host.next.ima_offset(), enrolled + more.size());
}

TEST_F(AttestationTest, TakesNoImaListFromAnotherOffset) {
  const uint64_t enrolled = host.next.ima_offset();
  for (const uint64_t offset : {uint64_t{0}, enrolled - 1, enrolled + 1, ~uint64_t{0}}) {
    EXPECT_EQ(Attests({.attest =
                           [&](node::AttestRequest& request) {
                             request.mutable_evidence()->set_ima_offset(offset);
                             request.mutable_evidence()->set_ima_chunk("skipped");
                           }}),
              "ACCEPTED");
    EXPECT_EQ(host.next.ima_offset(), enrolled) << offset;
  }
}

TEST_F(AttestationTest, TakesNoImaListFromRefusedEvidence) {
  const uint64_t enrolled = host.next.ima_offset();
  host.Extend(7);
  host.ima_list.push_back('x');
  EXPECT_EQ(Attests(), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_EQ(host.next.ima_offset(), enrolled);
}

TEST_F(AttestationTest, StartsTheImaListAnewWithAnEnrolment) {
  host.Reboot();
  host.ima_list = ToBytes("boot_aggregate ");
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(host.next.ima_offset(), host.ima_list.size());
  host.ima_list.push_back('x');
  EXPECT_EQ(Attests(), "ACCEPTED");
  EXPECT_EQ(host.next.ima_offset(), host.ima_list.size());
}

}  // namespace
}  // namespace lodekey::test
