// Rows of "What a hostile host may send" that the issuer's services answer. Each is a test of its number, such as
// ServiceAttack.A2, or ServiceAttack.A7/other-session where the variants of one item differ: the exact answer to the
// attack, and the unchanged twin, which is accepted in the same test.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "attest/codec.h"
#include "crypto/secret.h"
#include "issuer/next_step.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::Standing;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kAccepted = "ACCEPTED";

// A chip whose EK stays when the agent's keys are lost.
SoftwareTpmOptions RsaChip(unsigned chip = 21) { return {.ek_template = "rsa2048-l1", .chip = chip}; }

// An issuer with one enrolled host, and an intruder that is in no inventory.
struct Stage {
  explicit Stage(const AdjustConfig& adjust) : issuer(adjust) { issuer.Admit(host); }

  IssuerRig issuer;
  Host host{RsaChip()};
  Host intruder;
};

using Act = std::function<std::string(Stage&)>;  // returns what the issuer answered

struct Row {
  std::string number;
  std::string title;
  Act attack;
  std::string answer;
  Act twin;
  Standing standing = Standing::kActive;  // of the host, after the attack
  AdjustConfig adjust = {};
};

class ServiceAttack : public testing::Test {};

class RowTest final : public ServiceAttack {
 public:
  explicit RowTest(Row row) : row_(std::move(row)) {}

  void TestBody() override {
    Stage twin(row_.adjust);
    ASSERT_EQ(row_.twin(twin), kAccepted) << "the twin is refused";
    Stage stage(row_.adjust);
    ASSERT_EQ(row_.attack(stage), row_.answer);
    EXPECT_EQ(issuer::StandingName(stage.issuer.Record(stage.host).standing), issuer::StandingName(row_.standing));
  }

 private:
  Row row_;
};

void FlipLastBit(std::string& field) { field.back() = static_cast<char>(field.back() ^ 1); }

// --- Honest acts ---

std::string Attests(Stage& stage) { return Answer(stage.issuer.Attest(stage.host)); }
std::string Enrols(Stage& stage) { return Answer(stage.issuer.Enrol(stage.host)); }

Act AttestsAfter(Duration wait) {
  return [wait](Stage& stage) {
    stage.issuer.Pass(wait);
    return Attests(stage);
  };
}

// An enrolment whose second half comes after `wait`.
Act FinishesAfter(Duration wait) {
  return [wait](Stage& stage) {
    const auto started = Must(stage.issuer.Start(stage.host.Start()));
    stage.issuer.Pass(wait);
    return Answer(stage.issuer.Finish(Must(stage.host.Finish(started))));
  };
}

Act AttestsWith(HostChanges changes) {
  return [changes](Stage& stage) { return Answer(stage.issuer.Attest(stage.host, changes)); };
}

Act EnrolsWith(HostChanges changes) {
  return [changes](Stage& stage) { return Answer(stage.issuer.Enrol(stage.host, changes)); };
}

// --- Freshness ---

// Other bytes over a used nonce that nobody signed.
std::string UsesNonceAgain(Stage& stage) {
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
std::string LosesReply(Stage& stage) {
  stage.issuer.Pass(minutes(9));
  const node::AttestRequest request = stage.host.Attest();
  const auto first = Must(stage.issuer.Attest(stage.host.certificate(), request));
  const size_t issued = stage.issuer.Credentials(stage.host).size();
  stage.issuer.Pass(minutes(2) - milliseconds(1));
  const auto second = stage.issuer.Attest(stage.host.certificate(), request);
  if (!second) return Answer(second);
  EXPECT_EQ(first.verdict().SerializeAsString(), second->verdict().SerializeAsString());
  EXPECT_EQ(first.next().SerializeAsString(), second->next().SerializeAsString());
  EXPECT_EQ(stage.issuer.Credentials(stage.host).size(), issued) << "another certificate was issued";
  if (first.identity().certificates_size() != 2 || second->identity().certificates_size() != 2) return "no certificate";
  const auto leaf = Must(crypto::Certificate::FromDer(AsBytes(first.identity().certificates(0))));
  const auto again = Must(crypto::Certificate::FromDer(AsBytes(second->identity().certificates(0))));
  EXPECT_EQ(leaf.serial(), again.serial());
  EXPECT_EQ(TbsOf(leaf), TbsOf(again));
  EXPECT_EQ(first.identity().certificates(1), second->identity().certificates(1));
  return Answer(second);
}

std::string UsesNonceOfAnother(Stage& stage) {
  Host other;
  stage.issuer.Admit(other);
  stage.host.next = other.next;
  return Attests(stage);
}

// Evidence of the first of two enrolments in the second.
std::string MixesSessions(Stage& stage) {
  const auto first = Must(stage.issuer.Start(stage.host.Start()));
  const auto second = Must(stage.issuer.Start(stage.host.Start()));
  const auto old = Must(stage.host.Finish(first));
  auto request = Must(stage.host.Finish(second));
  *request.mutable_evidence() = old.evidence();
  *request.mutable_node_key() = old.node_key();
  return Answer(stage.issuer.Finish(request));
}

// Two nonces may be outstanding: evidence for one of them with the other.
std::string MixesNonces(Stage& stage) {
  const node::AttestRequest first = stage.host.Attest();
  node::AttestRequest ask;
  stage.host.Take(Must(stage.issuer.Attest(stage.host.certificate(), ask)));
  node::AttestRequest second = stage.host.Attest();
  EXPECT_NE(first.nonce(), second.nonce());
  *second.mutable_evidence() = first.evidence();
  return Answer(stage.issuer.Attest(stage.host.certificate(), second));
}

// One host's request through the channel of another.
std::string UsesChannelOfAnother(Stage& stage) {
  Host other;
  stage.issuer.Admit(other);
  return Answer(stage.issuer.Attest(other.certificate(), stage.host.Attest()));
}

HostChanges BoundToAnotherKey() {
  static const Host another;
  return {.binding = [](attest::BindingContext& binding) { binding.key_name = another.tpm().node_key().area.name(); }};
}

// --- Counters ---

std::string ResetCountFalls(Stage& stage) {
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
std::string ShowsForeignEk(Stage& stage) {
  node::StartEnrolmentRequest request = stage.intruder.Start();
  request.mutable_endorsement_keys(0)->set_public_(attest::ToField(stage.host.tpm().ek().area.tpm2b()));
  const auto started = Must(stage.issuer.Start(request));
  EXPECT_FALSE(stage.intruder.Activate(started));
  return Answer(stage.issuer.Finish(stage.intruder.FinishWith(crypto::RandomBytes(32), started)));
}

// The right EK, and another AK than the one the credential was made for.
std::string ActivatesUnderAnotherAk(Stage& stage) {
  const auto started = Must(stage.issuer.Start(stage.host.Start()));
  stage.host.LoseState();
  EXPECT_FALSE(stage.host.Activate(started));
  return Answer(stage.issuer.Finish(stage.host.FinishWith(crypto::RandomBytes(32), started)));
}

std::string UsesSecretOfAnotherSession(Stage& stage) {
  const auto first = Must(stage.issuer.Start(stage.host.Start()));
  const auto second = Must(stage.issuer.Start(stage.host.Start()));
  const crypto::Secret secret = Must(stage.host.Activate(first));
  return Answer(stage.issuer.Finish(stage.host.FinishWith(secret.Reveal(), second)));
}

// The answer to the second of two identical requests that are judged before either is stored.
std::string FinishesTwiceAtOnce(Stage& stage) {
  const auto request = Must(stage.host.Finish(Must(stage.issuer.Start(stage.host.Start()))));
  stage.issuer.store->Hold();
  auto first = stage.issuer.FinishLater(request);
  auto second = stage.issuer.FinishLater(request);
  stage.issuer.store->Release();
  EXPECT_EQ(Answer(first.get()), kAccepted);
  return Answer(second.get());
}

std::string FinishesTwice(Stage& stage) {
  const auto request = Must(stage.host.Finish(Must(stage.issuer.Start(stage.host.Start()))));
  EXPECT_EQ(Answer(stage.issuer.Finish(request)), kAccepted);
  return Answer(stage.issuer.Finish(request));
}

Act SendsSecretOf(size_t size) {
  return [size](Stage& stage) {
    const auto started = Must(stage.issuer.Start(stage.host.Start()));
    const crypto::Secret secret = Must(stage.host.Activate(started));
    Bytes sent = ToBytes(secret.Reveal());
    sent.resize(size);
    return Answer(stage.issuer.Finish(stage.host.FinishWith(sent, started)));
  };
}

// --- Key of the certificate ---

// The certificate is for the key that was certified.
std::string GetsCertificateForItsKey(Stage& stage) {
  const std::string answer = Enrols(stage);
  EXPECT_EQ(stage.host.certificate().key(), stage.host.tpm().node_key().area.key());
  return answer;
}

std::string CertifiesForeignKey(Stage& stage) {
  const tpm::Name foreign = stage.intruder.tpm().node_key().area.name();
  return Answer(stage.issuer.Enrol(stage.host, {.certify = {.certified_name = foreign}}));
}

std::string CertifiesWithForeignAk(Stage& stage) {
  const SoftwareKey ak = stage.intruder.tpm().ak();
  return Answer(stage.issuer.Enrol(stage.host, {.certify = {.signer = &ak}}));
}

// A node key that a program outside the TPM could hold.
std::string ShowsImportableNodeKey(Stage& stage) {
  return Answer(stage.issuer.Enrol(stage.host, {.start = [&](node::StartEnrolmentRequest& request) {
    request.set_node_key_public(attest::ToField(ChangedTpm2bPublic(
        stage.host.tpm().node_key().area, [](TPMT_PUBLIC& area) { area.objectAttributes &= ~TPMA_OBJECT_FIXEDTPM; })));
  }}));
}

// --- Identity of another ---

std::string RegistersWithAnotherEk(Stage& stage) {
  node::StartEnrolmentRequest request = stage.intruder.Start();
  // The host's own EK beside it is a claim, and binds nothing.
  *request.add_endorsement_keys() = stage.host.Start().endorsement_keys(0);
  return Answer(stage.issuer.Start(request));
}

// An admitted host that answers for another node's id.
std::string BindsToAnotherNode(Stage& stage) {
  Must(stage.issuer.inventory->Allow(stage.intruder.id(), {}, "uid 0"));
  const std::string victim = stage.host.id();
  const auto answer = stage.issuer.Enrol(
      stage.intruder, {.binding = [&](attest::BindingContext& binding) { binding.node_id = victim; }});
  EXPECT_FALSE(stage.issuer.Record(stage.intruder).enrolment);
  return Answer(answer);
}

std::string GetsItsOwnId(Stage& stage) {
  Must(stage.issuer.inventory->Allow(stage.intruder.id(), {}, "uid 0"));
  const auto answer = stage.issuer.Enrol(stage.intruder);
  EXPECT_EQ(stage.intruder.certificate().UriSans(),
            std::vector<std::string>{"spiffe://example.org/node/" + stage.intruder.id()});
  EXPECT_NE(stage.intruder.id(), stage.host.id());
  return Answer(answer);
}

// --- At once ---

// The answer to the second of two agents of one TPM, each with an AK of its own, that are judged before either is stored.
std::string RegistersTwiceAtOnce(Stage& stage) {
  Host one{RsaChip(22)};
  Host two{RsaChip(22)};
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
std::string LivesFromItsEvidence(Stage& stage) {
  const Time made = stage.issuer.now;
  const std::string answer = FinishesAfter(seconds(59))(stage);
  const auto credential = stage.issuer.Credentials(stage.host).front();
  EXPECT_EQ(credential.evidence_time, made);
  EXPECT_EQ(credential.not_after, made + stage.issuer.config.node_ttl);
  EXPECT_EQ(stage.issuer.Record(stage.host).enrolment->not_after, credential.not_after);
  return answer;
}

std::string EndsWithItsIssuer(Stage& stage) {
  const Time end = stage.issuer.authority->signer()->certificate.not_after();
  stage.issuer.Pass(minutes(20));
  const std::string answer = Enrols(stage);
  EXPECT_EQ(stage.host.certificate().not_after(), end);
  EXPECT_LT(end, stage.issuer.now + stage.issuer.config.node_ttl);
  return answer;
}

std::string OutlivesIntermediate(Stage& stage) {
  stage.issuer.Pass(minutes(59));
  return FinishesAfter(seconds(60))(stage);
}

// --- Keys that are gone ---

std::string AttestsAfterRemoval(Stage& stage) {
  const node::AttestRequest request = stage.host.Attest();
  Must(stage.issuer.inventory->Remove(stage.host.id(), "uid 0"));
  return Answer(stage.issuer.Attest(stage.host.certificate(), request));
}

// The node has enrolled with another AK and node key; then a quote of the old ones arrives.
std::string AttestsAfterAnotherAkEnrolled(Stage& stage) {
  const node::AttestRequest request = stage.host.Attest();
  const crypto::Certificate old = stage.host.certificate();
  stage.host.LoseState();
  stage.host.Reboot();
  EXPECT_EQ(Enrols(stage), kAccepted);
  const auto answer = stage.issuer.Attest(old, request);
  EXPECT_EQ(Attests(stage), kAccepted);
  return Answer(answer);
}

void ShortNodeLife(issuer::IssuerConfig& config) { config.node_ttl = seconds(60); }
void LifeOfFifteenMinutes(issuer::IssuerConfig& config) { config.node_ttl = minutes(15); }
void IntermediateOfAnHour(issuer::IssuerConfig& config) { config.intermediate_ttl = minutes(60); }
void AcceptNewAk(issuer::IssuerConfig& config) { config.appraisal.accept_new_ak = true; }
void LongSlack(issuer::IssuerConfig& config) { config.nonce_slack = std::chrono::hours(1); }

std::vector<Row> Rows() {
  return {
      {"A1", "other bytes over a used nonce", UsesNonceAgain, "MESSAGE_REFUSED nonce-used", LosesReply, Standing::kActive,
       LifeOfFifteenMinutes},
      {"A2", "an expired nonce", AttestsAfter(minutes(11)), "MESSAGE_REFUSED nonce-expired",
       AttestsAfter(minutes(11) - milliseconds(1))},
      {"A3", "the nonce of another agent", UsesNonceOfAnother, "MESSAGE_REFUSED nonce-unknown", Attests},
      {"A7/other-session", "evidence of another enrolment", MixesSessions,
       "MESSAGE_REFUSED binding-mismatch,binding-mismatch", Enrols},
      {"A7/other-nonce", "evidence for the other outstanding nonce", MixesNonces, "MESSAGE_REFUSED binding-mismatch", Attests},
      {"A7/other-key", "evidence bound to another node key", AttestsWith(BoundToAnotherKey()),
       "MESSAGE_REFUSED binding-mismatch", Attests},
      {"A7/other-purpose", "a quote made for enrolment", AttestsWith({.purpose = attest::Purpose::kEnrolQuote}),
       "MESSAGE_REFUSED binding-mismatch", Attests},
      {"A7/other-channel", "the request of another node", UsesChannelOfAnother, "MESSAGE_REFUSED nonce-unknown", Attests},
      {"A11", "resetCount decreased", ResetCountFalls, "ENROL_AGAIN reset-count-decreased", Attests},
      {"A44/other-ek", "the credential of another EK", ShowsForeignEk, "activation-secret", Enrols},
      {"A44/other-ak", "the credential of another AK", ActivatesUnderAnotherAk, "activation-secret", Enrols},
      {"A46/other-session", "the secret of another session", UsesSecretOfAnotherSession, "activation-secret", Enrols},
      {"A46/in-flight", "the sealed state twice, at once", FinishesTwiceAtOnce, "challenge-used", Enrols},
      {"A46/later", "the sealed state twice", FinishesTwice, "node-changed", Enrols},
      {"A47/empty", "no secret", SendsSecretOf(0), "activation-secret", SendsSecretOf(32)},
      {"A47/short", "a secret cut short", SendsSecretOf(31), "activation-secret", SendsSecretOf(32)},
      {"A47/long", "a secret with a tail", SendsSecretOf(33), "activation-secret", SendsSecretOf(32)},
      {"A50/not-certified", "no certification",
       EnrolsWith({.finish = [](node::FinishEnrolmentRequest& request) { request.clear_node_key(); }}),
       "MESSAGE_REFUSED key-not-certified", GetsCertificateForItsKey},
      {"A50/other-key", "another key certified", CertifiesForeignKey, "MESSAGE_REFUSED certified-other-key",
       GetsCertificateForItsKey},
      {"A50/other-ak", "certified by another AK", CertifiesWithForeignAk, "MESSAGE_REFUSED signature-invalid",
       GetsCertificateForItsKey},
      {"A50/attributes", "a node key that may leave the TPM", ShowsImportableNodeKey, "node-key-attributes",
       GetsCertificateForItsKey},
      {"A52/not-admitted", "the identity's EK beside another", RegistersWithAnotherEk, "ek-not-in-inventory", GetsItsOwnId},
      {"A52/other-node", "an admitted host for another node's id", BindsToAnotherNode,
       "MESSAGE_REFUSED binding-mismatch,binding-mismatch", GetsItsOwnId},
      {"A119", "two registrations at once", RegistersTwiceAtOnce, "node-changed", Enrols},
      {"A122/evidence", "evidence older than a certificate's life", FinishesAfter(seconds(60)), "authority-expired",
       LivesFromItsEvidence, Standing::kActive, ShortNodeLife},
      {"A122/intermediate", "an intermediate that has ended", OutlivesIntermediate, "authority-expired", EndsWithItsIssuer, Standing::kActive, IntermediateOfAnHour},
      {"A123/enrol-back", "the issuer's clock set back in an enrolment", FinishesAfter(-milliseconds(1)),
       "challenge-expired", FinishesAfter(seconds(0))},
      {"A123/enrol-forward", "the issuer's clock set forward in an enrolment", FinishesAfter(seconds(120)),
       "challenge-expired", FinishesAfter(seconds(120) - milliseconds(1))},
      {"A123/attest-back", "the issuer's clock set back between attestations", AttestsAfter(-milliseconds(1)),
       "MESSAGE_REFUSED nonce-not-yet-valid", AttestsAfter(seconds(0))},
      {"A123/attest-forward", "the issuer's clock set forward beyond the certificate", AttestsAfter(minutes(60)),
       "peer-expired", AttestsAfter(minutes(60) - milliseconds(1)), Standing::kActive, LongSlack},
      {"A124/removed", "a quote after the node's removal", AttestsAfterRemoval, "node-removed", Attests, Standing::kRemoved},
      {"A124/other-ak", "a quote by an AK that was replaced", AttestsAfterAnotherAkEnrolled, "peer-certificate", Attests,
       Standing::kActive, AcceptNewAk},
  };
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const Row& row : Rows()) {
    testing::RegisterTest("ServiceAttack", row.number.c_str(), nullptr, row.title.c_str(), __FILE__, __LINE__,
                          [row]() -> ServiceAttack* { return new RowTest(row); });
  }
  return true;
}();

// --- Randomness ---

// Whether the values could come from a good generator: all are different, and each bit is set in about half of them
// (six standard deviations: chance alone fails it once in a million runs).
bool LooksRandom(const std::vector<Bytes>& values) {
  if (std::set<Bytes>(values.begin(), values.end()).size() != values.size()) return false;
  const double count = static_cast<double>(values.size());
  const double tolerance = 6 * std::sqrt(count) / 2;
  for (size_t bit = 0; bit < 8 * values.front().size(); ++bit) {
    const auto set = std::ranges::count_if(values, [&](const Bytes& value) { return (value[bit / 8] >> bit % 8 & 1) != 0; });
    if (std::abs(static_cast<double>(set) - count / 2) > tolerance) return false;
  }
  return true;
}

std::vector<Bytes> NoncesOf(const IssuerRig& issuer, size_t count) {
  issuer::NodeRecord record;
  std::vector<Bytes> nonces;
  while (nonces.size() < count) {
    nonces.push_back(attest::FromField(issuer::OfferNextStep(*issuer.context, record, issuer.now).nonce()));
  }
  return nonces;
}

// What a challenge keeps secret or spends once.
void ExpectRandomChallenges(const IssuerRig& issuer, size_t count) {
  const Host host;
  Must(issuer.inventory->Allow(host.id(), {}, "uid 0"));
  std::array<std::vector<Bytes>, 3> values;
  for (size_t i = 0; i < count; ++i) {
    const auto started = Must(issuer.Start(host.Start()));
    const auto challenge = Must(issuer.sealer->Open(AsBytes(started.sealed_state()), issuer.now));
    EXPECT_EQ(attest::FromField(started.nonce()), challenge.nonce);
    values[0].push_back(challenge.id);
    values[1].push_back(challenge.nonce);
    values[2].push_back(ToBytes(challenge.activation_secret.Reveal()));
  }
  for (const auto& of_one_kind : values) EXPECT_TRUE(LooksRandom(of_one_kind));
}

// A generator that repeats itself, counts or keeps a bit is told from a good one.
TEST_F(ServiceAttack, A8) {
  constexpr uint32_t kNonces = 4000;
  const IssuerRig issuer;
  EXPECT_TRUE(LooksRandom(NoncesOf(issuer, kNonces)));
  ExpectRandomChallenges(issuer, 500);

  EXPECT_FALSE(LooksRandom(std::vector<Bytes>(kNonces, crypto::RandomBytes(32))));
  std::vector<Bytes> counted;
  std::vector<Bytes> stuck;
  for (uint32_t i = 0; i < kNonces; ++i) {
    Bytes number(32);
    number[0] = static_cast<uint8_t>(i);
    number[1] = static_cast<uint8_t>(i >> 8);
    counted.push_back(number);
    stuck.push_back(crypto::RandomBytes(32));
    stuck.back()[31] |= 1;
  }
  EXPECT_FALSE(LooksRandom(counted));
  EXPECT_FALSE(LooksRandom(stuck));
}

}  // namespace
}  // namespace lodekey::test
