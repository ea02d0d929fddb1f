// Freshness of evidence, and the credential that proves the endorsement key.
#include <gtest/gtest.h>

#include "attest/codec.h"
#include "crypto/secret.h"
#include "tests/issuer/service_attack_table.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::Standing;
using std::chrono::milliseconds;
using std::chrono::minutes;

void FlipLastBit(std::string& field) { field.back() = static_cast<char>(field.back() ^ 1); }

// --- Freshness ---

// Other bytes over a used nonce that nobody signed.
std::string UsesNonceAgain(ServiceStage& stage) {
  node::AttestRequest request = stage.host.Attest();
  EXPECT_EQ(Answer(stage.issuer.Attest(stage.host.certificate(), request)), kAccepted);
  FlipLastBit(*request.mutable_evidence()->mutable_quote_signature());
  const auto refused = stage.issuer.Attest(stage.host.certificate(), request);
  if (!refused) return Answer(refused);
  // A new nonce comes with the refusal, and is good.
  EXPECT_EQ(refused->next().nonce().size(), attest::kNonceSize);
  EXPECT_FALSE(refused->has_identity());
  stage.host.Take(*refused);
  EXPECT_EQ(Attests(stage), kAccepted);
  return Answer(refused);
}

// The identical bytes get the identical reply, also when a certificate came with it.
std::string LosesReply(ServiceStage& stage) {
  stage.issuer.Pass(minutes(9));
  const node::AttestRequest request = stage.host.Attest();
  const auto first = Must(stage.issuer.Attest(stage.host.certificate(), request));
  const size_t issued = stage.issuer.Credentials(stage.host).size();
  stage.issuer.Pass(minutes(2) - milliseconds(1));
  const auto second = stage.issuer.Attest(stage.host.certificate(), request);
  if (!second) return Answer(second);
  EXPECT_EQ(first.verdict().SerializeAsString(), second->verdict().SerializeAsString());
  EXPECT_EQ(first.next().SerializeAsString(), second->next().SerializeAsString());
  EXPECT_EQ(stage.issuer.Credentials(stage.host).size(), issued)
      << "another certificate was issued";
  if (first.identity().certificates_size() != 2 || second->identity().certificates_size() != 2)
    return "no certificate";
  const auto leaf = Must(crypto::Certificate::FromDer(AsBytes(first.identity().certificates(0))));
  const auto again =
      Must(crypto::Certificate::FromDer(AsBytes(second->identity().certificates(0))));
  EXPECT_EQ(leaf.serial(), again.serial());
  EXPECT_EQ(TbsOf(leaf), TbsOf(again));
  EXPECT_EQ(first.identity().certificates(1), second->identity().certificates(1));
  return Answer(second);
}

std::string UsesNonceOfAnother(ServiceStage& stage) {
  Host other;
  stage.issuer.Admit(other);
  stage.host.next = other.next;
  return Attests(stage);
}

// Evidence of the first of two enrolments in the second.
std::string MixesSessions(ServiceStage& stage) {
  const auto first = Must(stage.issuer.Start(stage.host.Start()));
  const auto second = Must(stage.issuer.Start(stage.host.Start()));
  const auto old = Must(stage.host.Finish(first));
  auto request = Must(stage.host.Finish(second));
  *request.mutable_evidence() = old.evidence();
  *request.mutable_node_key() = old.node_key();
  return Answer(stage.issuer.Finish(request));
}

// Two nonces may be outstanding: evidence for one of them with the other.
std::string MixesNonces(ServiceStage& stage) {
  const node::AttestRequest first = stage.host.Attest();
  node::AttestRequest ask;
  stage.host.Take(Must(stage.issuer.Attest(stage.host.certificate(), ask)));
  node::AttestRequest second = stage.host.Attest();
  EXPECT_NE(first.nonce(), second.nonce());
  *second.mutable_evidence() = first.evidence();
  return Answer(stage.issuer.Attest(stage.host.certificate(), second));
}

// One host's request through the channel of another.
std::string UsesChannelOfAnother(ServiceStage& stage) {
  Host other;
  stage.issuer.Admit(other);
  return Answer(stage.issuer.Attest(other.certificate(), stage.host.Attest()));
}

HostChanges BoundToAnotherKey() {
  static const Host another;
  return {.binding = [](attest::BindingContext& binding) {
    binding.key_name = another.tpm().node_key().area.name();
  }};
}

// --- Counters ---

std::string ResetCountFalls(ServiceStage& stage) {
  stage.host.tpm().clock.reset_count -= 1;
  const std::string answer = Attests(stage);
  // Not served until it has enrolled again.
  EXPECT_EQ(Attests(stage), "node-not-enrolled");
  EXPECT_EQ(stage.issuer.Record(stage.host).standing, Standing::kAllowed);
  EXPECT_EQ(Enrols(stage), kAccepted);
  EXPECT_EQ(Attests(stage), kAccepted);
  return answer;
}

// --- Credential ---

// Whoever shows another host's EK cannot recover the secret, and has to guess it.
std::string ShowsForeignEk(ServiceStage& stage) {
  node::StartEnrolmentRequest request = stage.intruder.Start();
  request.mutable_endorsement_keys(0)->set_public_(
      attest::ToField(stage.host.tpm().ek().area.tpm2b()));
  const auto started = Must(stage.issuer.Start(request));
  EXPECT_FALSE(stage.intruder.Activate(started));
  return Answer(stage.issuer.Finish(stage.intruder.FinishWith(crypto::RandomBytes(32), started)));
}

// The right EK, and another AK than the one the credential was made for.
std::string ActivatesUnderAnotherAk(ServiceStage& stage) {
  const auto started = Must(stage.issuer.Start(stage.host.Start()));
  stage.host.LoseState();
  EXPECT_FALSE(stage.host.Activate(started));
  return Answer(stage.issuer.Finish(stage.host.FinishWith(crypto::RandomBytes(32), started)));
}

std::string UsesSecretOfAnotherSession(ServiceStage& stage) {
  const auto first = Must(stage.issuer.Start(stage.host.Start()));
  const auto second = Must(stage.issuer.Start(stage.host.Start()));
  const crypto::Secret secret = Must(stage.host.Activate(first));
  return Answer(stage.issuer.Finish(stage.host.FinishWith(secret.Reveal(), second)));
}

// The answer to the second of two identical requests that are judged before either is stored.
std::string FinishesTwiceAtOnce(ServiceStage& stage) {
  const auto request = Must(stage.host.Finish(Must(stage.issuer.Start(stage.host.Start()))));
  stage.issuer.store->Hold();
  auto first = stage.issuer.FinishLater(request);
  auto second = stage.issuer.FinishLater(request);
  stage.issuer.store->Release();
  EXPECT_EQ(Answer(first.get()), kAccepted);
  return Answer(second.get());
}

std::string FinishesTwice(ServiceStage& stage) {
  const auto request = Must(stage.host.Finish(Must(stage.issuer.Start(stage.host.Start()))));
  EXPECT_EQ(Answer(stage.issuer.Finish(request)), kAccepted);
  return Answer(stage.issuer.Finish(request));
}

Act SendsSecretOf(size_t size) {
  return [size](ServiceStage& stage) {
    const auto started = Must(stage.issuer.Start(stage.host.Start()));
    const crypto::Secret secret = Must(stage.host.Activate(started));
    Bytes sent = ToBytes(secret.Reveal());
    sent.resize(size);
    return Answer(stage.issuer.Finish(stage.host.FinishWith(sent, started)));
  };
}

void LifeOfFifteenMinutes(issuer::IssuerConfig& config) { config.node_ttl = minutes(15); }

[[maybe_unused]] const bool kRegistered = RegisterServiceAttacks(
    {{"A1", "other bytes over a used nonce", UsesNonceAgain, "MESSAGE_REFUSED nonce-used",
      LosesReply, Standing::kActive, LifeOfFifteenMinutes},
     {"A2", "an expired nonce", AttestsAfter(minutes(11)), "MESSAGE_REFUSED nonce-expired",
      AttestsAfter(minutes(11) - milliseconds(1))},
     {"A3", "the nonce of another agent", UsesNonceOfAnother, "MESSAGE_REFUSED nonce-unknown",
      Attests},
     {"A7/other_session", "evidence of another enrolment", MixesSessions,
      "MESSAGE_REFUSED binding-mismatch,binding-mismatch", Enrols},
     {"A7/other_nonce", "evidence for the other outstanding nonce", MixesNonces,
      "MESSAGE_REFUSED binding-mismatch", Attests},
     {"A7/other_key", "evidence bound to another node key", AttestsWith(BoundToAnotherKey()),
      "MESSAGE_REFUSED binding-mismatch", Attests},
     {"A7/other_purpose", "a quote made for enrolment",
      AttestsWith({.purpose = attest::Purpose::kEnrolQuote}), "MESSAGE_REFUSED binding-mismatch",
      Attests},
     {"A7/other_channel", "the request of another node", UsesChannelOfAnother,
      "MESSAGE_REFUSED nonce-unknown", Attests},
     {"A11", "resetCount decreased", ResetCountFalls, "ENROL_AGAIN reset-count-decreased", Attests},
     {"A44/other_ek", "the credential of another EK", ShowsForeignEk, "activation-secret", Enrols},
     {"A44/other_ak", "the credential of another AK", ActivatesUnderAnotherAk, "activation-secret",
      Enrols},
     {"A46/other_session", "the secret of another session", UsesSecretOfAnotherSession,
      "activation-secret", Enrols},
     {"A46/in_flight", "the sealed state twice, at once", FinishesTwiceAtOnce, "challenge-used",
      Enrols},
     {"A46/later", "the sealed state twice", FinishesTwice, "node-changed", Enrols},
     {"A47/empty", "no secret", SendsSecretOf(0), "activation-secret", SendsSecretOf(32)},
     {"A47/short", "a secret cut short", SendsSecretOf(31), "activation-secret", SendsSecretOf(32)},
     {"A47/long", "a secret with a tail", SendsSecretOf(33), "activation-secret",
      SendsSecretOf(32)}});

}  // namespace
}  // namespace lodekey::test
