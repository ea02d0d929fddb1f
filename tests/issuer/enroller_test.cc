#include "issuer/enroller.h"

#include <gtest/gtest.h>

#include "attest/codec.h"
#include "base/hex.h"
#include "tests/issuer/enroller_rig.h"

namespace lodekey::test {
namespace {

using issuer::Standing;
using std::chrono::hours;

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
  EXPECT_EQ(leaf.ExtendedKeyUsages(),
            (std::vector<std::string>{"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}));
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
                                                 RsaChip(31),
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
    EXPECT_EQ(issuer.Record(one).enrolment->boot_log_digest,
              issuer.Record(two).enrolment->boot_log_digest);
    return {};
  }));
}

// Else a host could make the issuer store a log with each enrolment, and launder what its evidence
// is refused for.
TEST_F(EnrollerTest, TakesOneBootLogInABoot) {
  Host host;
  issuer.Admit(host);
  const Bytes first = host.boot_log;
  host.BringLog("another account of the same boot");
  EXPECT_EQ(Answer(issuer.Attest(host)), "NODE_REFUSED boot-log-changed");
  EXPECT_EQ(Answer(issuer.Enrol(host)), "NODE_REFUSED boot-log-changed");
  EXPECT_FALSE(HasLog(host.boot_log));
  EXPECT_TRUE(HasLog(first));
}

// A host may begin as many boots as it likes.
TEST_F(EnrollerTest, KeepsOneBootLogOfANode) {
  Host host;
  Host other;
  issuer.Admit(host);
  issuer.Admit(other);
  const Bytes shared = host.boot_log;
  for (const char* log : {"the second boot", "the third boot"}) {
    const Bytes before = host.boot_log;
    host.Reboot();
    host.BringLog(log);
    EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
    EXPECT_TRUE(HasLog(host.boot_log)) << log;
    EXPECT_EQ(HasLog(before), before == shared) << log << ": another node names the first";
  }
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

// On the writer's thread nobody else would catch it.
TEST_F(EnrollerTest, AnswersThoughItsEndThrows) {
  Host host;
  Allow(host);
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  issuer.store->Hold();
  const auto failed = issuer.ReleaseThrowing(issuer.FinishLater(request));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kInternal);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
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
  EXPECT_EQ(refusal([](auto& request) { request.add_certificate_chain(std::string(16'385, 'x')); }),
            "request-too-large");
  EXPECT_EQ(refusal([](auto& request) {
              while (request.endorsement_keys_size() < 8) request.add_endorsement_keys();
              for (int i = 0; i < 8; ++i) request.add_certificate_chain(std::string(2048, 'x'));
            }),
            "STARTED");
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

  const issuer::ChallengeSealer other_domain(Must(issuer.authority->OpenChallengeKey()),
                                             "example.com");
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
                          .policy = *issuer.policy,
                          .roots = {},
                          .now = [this] { return issuer.now; }};
  std::promise<std::string> answer;
  issuer::Strangers strangers(issuer.config);
  issuer::Enroller(replica, strangers).Finish(request, kCaller, [&](const auto& response) {
    answer.set_value(Answer(response));
  });
  EXPECT_EQ(answer.get_future().get(), "ACCEPTED");
}

}  // namespace
}  // namespace lodekey::test
