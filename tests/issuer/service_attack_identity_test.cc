// Whose key gets the certificate, whose node it is, and for how long.
#include <gtest/gtest.h>

#include "attest/codec.h"
#include "tests/issuer/service_attack_table.h"
#include "tests/issuer/workload.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::Standing;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// --- Key of the certificate ---

// The certificate is for the key that was certified.
std::string GetsCertificateForItsKey(ServiceStage& stage) {
  const std::string answer = Enrols(stage);
  EXPECT_EQ(stage.host.certificate().key(), stage.host.tpm().node_key().area.key());
  return answer;
}

std::string CertifiesForeignKey(ServiceStage& stage) {
  const tpm::Name foreign = stage.intruder.tpm().node_key().area.name();
  return Answer(stage.issuer.Enrol(stage.host, {.certify = {.certified_name = foreign}}));
}

std::string CertifiesWithForeignAk(ServiceStage& stage) {
  const SoftwareKey ak = stage.intruder.tpm().ak();
  return Answer(stage.issuer.Enrol(stage.host, {.certify = {.signer = &ak}}));
}

// A node key that a program outside the TPM could hold.
std::string ShowsImportableNodeKey(ServiceStage& stage) {
  return Answer(stage.issuer.Enrol(stage.host, {.start = [&](node::StartEnrolmentRequest& request) {
                                     request.set_node_key_public(attest::ToField(ChangedTpm2bPublic(
                                         stage.host.tpm().node_key().area, [](TPMT_PUBLIC& area) {
                                           area.objectAttributes &= ~TPMA_OBJECT_FIXEDTPM;
                                         })));
                                   }}));
}

// --- Identity of another ---

std::string RegistersWithAnotherEk(ServiceStage& stage) {
  node::StartEnrolmentRequest request = stage.intruder.Start();
  // The host's own EK beside it is a claim, and binds nothing.
  *request.add_endorsement_keys() = stage.host.Start().endorsement_keys(0);
  return Answer(stage.issuer.Start(request));
}

// An admitted host that answers for another node's id.
std::string BindsToAnotherNode(ServiceStage& stage) {
  Must(stage.issuer.inventory->Allow(stage.intruder.id(), {}, "uid 0"));
  const std::string victim = stage.host.id();
  const auto answer = stage.issuer.Enrol(
      stage.intruder,
      {.binding = [&](attest::BindingContext& binding) { binding.node_id = victim; }});
  EXPECT_FALSE(stage.issuer.Record(stage.intruder).enrolment);
  return Answer(answer);
}

std::string GetsItsOwnId(ServiceStage& stage) {
  Must(stage.issuer.inventory->Allow(stage.intruder.id(), {}, "uid 0"));
  const auto answer = stage.issuer.Enrol(stage.intruder);
  EXPECT_EQ(stage.intruder.certificate().UriSans(),
            std::vector<std::string>{"spiffe://example.org/node/" + stage.intruder.id()});
  EXPECT_NE(stage.intruder.id(), stage.host.id());
  return Answer(answer);
}

// --- At once ---

// The answer to the second of two agents of one TPM, each with an AK of its own, that are judged
// before either is stored.
std::string RegistersTwiceAtOnce(ServiceStage& stage) {
  Host one{AttackChip(22)};
  Host two{AttackChip(22)};
  EXPECT_EQ(one.id(), two.id());
  Must(stage.issuer.inventory->Allow(one.id(), {}, "uid 0"));
  const auto request_of_one = Must(one.Finish(Must(stage.issuer.Start(one.Start()))));
  const auto request_of_two = Must(two.Finish(Must(stage.issuer.Start(two.Start()))));
  stage.issuer.store->Hold();
  auto first = stage.issuer.FinishLater(request_of_one);
  auto second = stage.issuer.FinishLater(request_of_two);
  stage.issuer.store->Release();
  EXPECT_EQ(Answer(first.get()), kAccepted);
  const auto answer = second.get();
  EXPECT_EQ(stage.issuer.Credentials(one).size(), 1U);
  EXPECT_EQ(stage.issuer.Record(one).enrolment->ak_public, one.tpm().ak().area.tpm2b());
  return Answer(answer);
}

// --- Lifetimes ---

// The certificate's life is counted from when the nonce was made, not from when the evidence came.
std::string LivesFromItsEvidence(ServiceStage& stage) {
  const Time made = stage.issuer.now;
  const std::string answer = FinishesAfter(seconds(59))(stage);
  const auto credential = stage.issuer.Credentials(stage.host).front();
  EXPECT_EQ(credential.evidence_time, made);
  EXPECT_EQ(credential.not_after, made + stage.issuer.config.node_ttl);
  EXPECT_EQ(stage.issuer.Record(stage.host).enrolment->not_after, credential.not_after);
  return answer;
}

std::string EndsWithItsIssuer(ServiceStage& stage) {
  const Time end = stage.issuer.authority->signer(stage.issuer.now)->certificate.not_after();
  stage.issuer.Pass(minutes(20));
  const std::string answer = Enrols(stage);
  EXPECT_EQ(stage.host.certificate().not_after(), end);
  EXPECT_LT(end, stage.issuer.now + stage.issuer.config.node_ttl);
  return answer;
}

std::string OutlivesIntermediate(ServiceStage& stage) {
  stage.issuer.Pass(minutes(59));
  return FinishesAfter(seconds(60))(stage);
}

// A workload's credential, asked for so long after the host attested; it must not outlive what the
// host's own rests on.
Act AsksForWorkloadAfter(Duration wait) {
  return [wait](ServiceStage& stage) {
    attest::Entry entry = EntryFor(stage.host);
    entry.x509_ttl = std::chrono::hours(24);
    entry = stage.issuer.Put(entry);
    stage.issuer.Pass(wait);
    const auto response =
        Must(stage.issuer.Issue(stage.host.certificate(), RequestOf({X509Item(entry)})));
    const auto chain = ChainOf(response.outcomes(0));
    if (chain.empty()) return Answer(response.outcomes(0));
    EXPECT_EQ(chain.front().not_after(), stage.host.certificate().not_after());
    return std::string(kAccepted);
  };
}

// --- Keys that are gone ---

std::string AttestsAfterRemoval(ServiceStage& stage) {
  const node::AttestRequest request = stage.host.Attest();
  Must(stage.issuer.inventory->Remove(stage.host.id(), "uid 0"));
  return Answer(stage.issuer.Attest(stage.host.certificate(), request));
}

// The node has enrolled with another AK and node key; then a quote of the old ones arrives.
std::string AttestsAfterAnotherAkEnrolled(ServiceStage& stage) {
  const node::AttestRequest request = stage.host.Attest();
  const crypto::Certificate old = stage.host.certificate();
  stage.issuer.Choose("/appraisal/accept_new_ak", true);
  stage.host.LoseState();
  stage.host.Reboot();
  EXPECT_EQ(Enrols(stage), kAccepted);
  const auto answer = stage.issuer.Attest(old, request);
  EXPECT_EQ(Attests(stage), kAccepted);
  return Answer(answer);
}

void ShortNodeLife(issuer::IssuerConfig& config) { config.node_ttl = seconds(60); }
void IntermediateOfAnHour(issuer::IssuerConfig& config) { config.intermediate_ttl = minutes(60); }
void LongSlack(issuer::IssuerConfig& config) { config.nonce_slack = std::chrono::hours(1); }

[[maybe_unused]] const bool kRegistered = RegisterServiceAttacks(
    {{"A50/not_certified", "no certification",
      EnrolsWith(
          {.finish = [](node::FinishEnrolmentRequest& request) { request.clear_node_key(); }}),
      "MESSAGE_REFUSED key-not-certified", GetsCertificateForItsKey},
     {"A50/other_key", "another key certified", CertifiesForeignKey,
      "MESSAGE_REFUSED certified-other-key", GetsCertificateForItsKey},
     {"A50/other_ak", "certified by another AK", CertifiesWithForeignAk,
      "MESSAGE_REFUSED signature-invalid", GetsCertificateForItsKey},
     {"A50/attributes", "a node key that may leave the TPM", ShowsImportableNodeKey,
      "node-key-attributes", GetsCertificateForItsKey},
     {"A52/not_admitted", "the identity's EK beside another", RegistersWithAnotherEk,
      "ek-not-in-inventory", GetsItsOwnId},
     {"A52/other_node", "an admitted host for another node's id", BindsToAnotherNode,
      "MESSAGE_REFUSED binding-mismatch,binding-mismatch", GetsItsOwnId},
     {"A119", "two registrations at once", RegistersTwiceAtOnce, "node-changed", Enrols},
     {"A122/evidence", "evidence older than a certificate's life", FinishesAfter(seconds(60)),
      "authority-expired", LivesFromItsEvidence, Standing::kActive, ShortNodeLife},
     {"A122/intermediate", "an intermediate that has ended", OutlivesIntermediate,
      "authority-expired", EndsWithItsIssuer, Standing::kActive, IntermediateOfAnHour},
     {"A122/workload", "a workload's certificate on evidence that is used up",
      AsksForWorkloadAfter(minutes(59) + seconds(51)), "needs-evidence",
      AsksForWorkloadAfter(minutes(59) + seconds(50))},
     {"A123/enrol_back", "the issuer's clock set back in an enrolment",
      FinishesAfter(-milliseconds(1)), "challenge-expired", FinishesAfter(seconds(0))},
     {"A123/enrol_forward", "the issuer's clock set forward in an enrolment",
      FinishesAfter(seconds(120)), "challenge-expired",
      FinishesAfter(seconds(120) - milliseconds(1))},
     {"A123/attest_back", "the issuer's clock set back between attestations",
      AttestsAfter(-milliseconds(1)), "MESSAGE_REFUSED nonce-not-yet-valid",
      AttestsAfter(seconds(0))},
     {"A123/attest_forward", "the issuer's clock set forward beyond the certificate",
      AttestsAfter(minutes(60)), "peer-expired", AttestsAfter(minutes(60) - milliseconds(1)),
      Standing::kActive, LongSlack},
     {"A124/removed", "a quote after the node's removal", AttestsAfterRemoval, "node-removed",
      Attests, Standing::kRemoved},
     {"A124/other_ak", "a quote by an AK that was replaced", AttestsAfterAnotherAkEnrolled,
      "peer-certificate", Attests}});

}  // namespace
}  // namespace lodekey::test
