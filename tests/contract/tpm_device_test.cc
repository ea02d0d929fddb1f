// The contract of tpm::Device over the shapes of TPM that hosts have: what each method does, and
// the commands that its comment counts. See docs/architecture.md, Keys and Budgets.
#include <optional>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/certificate.h"
#include "tests/contract/tpm_rig.h"
#include "tpm/signature.h"

namespace lodekey::tpm {
namespace {

using test::EkNamed;
using test::Must;
using test::RandomKeySecret;
using test::TpmRig;

struct Shape {
  std::string_view test_name;
  std::string_view ek;
  bool certificate;
};

void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.test_name; }

class TpmDeviceContract : public testing::TestWithParam<Shape> {
 protected:
  TpmDeviceContract() : rig_(GetParam().certificate), template_(EkNamed(GetParam().ek)) {}

  LoadedKey Ek() { return Must(device().CreateEk(template_)); }
  LoadedKey EkWithSession() {
    LoadedKey ek = Ek();
    Must(device().StartSession(ek));
    return ek;
  }
  Device& device() { return rig_.device(); }

  // How many objects and sessions are loaded in the TPM. The command that lists NV indices lists
  // these too; policy sessions follow upon HMAC sessions.
  size_t Loaded() {
    return Must(device().ListNv(TPM2_TRANSIENT_FIRST, TPM2_TRANSIENT_LAST)).size() +
           Must(device().ListNv(TPM2_LOADED_SESSION_FIRST, TPM2_POLICY_SESSION_LAST)).size();
  }

  TpmRig rig_;
  const EkTemplate& template_;
};

INSTANTIATE_TEST_SUITE_P(Swtpm, TpmDeviceContract,
                         testing::Values(Shape{"Rsa2048WithCertificate", "rsa2048-l1", true},
                                         Shape{"P256WithoutCertificate", "p256-l2", false},
                                         Shape{"P384WithCertificate", "p384-h3", true}),
                         [](const auto& instance) {
                           return std::string(instance.param.test_name);
                         });

TEST_P(TpmDeviceContract, OpensWithoutACommand) {
  EXPECT_EQ(rig_.probe().traffic().commands, 0u);
  EXPECT_FALSE(device().HasSession());
}

TEST_P(TpmDeviceContract, CreatesTheEndorsementKeyThatTheCertificateNames) {
  std::optional<LoadedKey> ek;
  EXPECT_EQ(rig_.Count([&] { return device().CreateEk(template_); }, ek), 1u);
  EXPECT_EQ(MatchEkTemplate(ek->area), &template_);
  std::optional<Bytes> stored;
  const size_t commands =
      rig_.Count([&] { return device().ReadNv(template_.certificate_index); }, stored);
  ASSERT_EQ(stored.has_value(), GetParam().certificate);
  if (!stored) {
    EXPECT_EQ(commands, 1u);
    return;
  }
  EXPECT_EQ(commands, 2 + (stored->size() + 1023) / 1024);
  EXPECT_EQ(Must(crypto::Certificate::FromDer(*stored)).key(), ek->area.key());
}

TEST_P(TpmDeviceContract, EndorsementKeyIsTheSameAgainAfterAPowerCycle) {
  const Name before = Ek().area.name();
  rig_.Close();
  Must(rig_.swtpm().PowerCycle());
  rig_.Reopen();
  EXPECT_EQ(Ek().area.name(), before);
}

TEST_P(TpmDeviceContract, StartsOneSessionWithOneCommand) {
  const LoadedKey ek = Ek();
  EXPECT_EQ(rig_.Count([&] { Must(device().StartSession(ek)); }), 1u);
  EXPECT_TRUE(device().HasSession());
  EXPECT_EQ(rig_.Count([&] { Must(device().StartSession(ek)); }), 2u);
  EXPECT_EQ(Loaded(), 2u);
}

TEST_P(TpmDeviceContract, HoldsThreeKeysAndTheSessionAtOnce) {
  const LoadedKey ek = EkWithSession();
  std::optional<LoadedKey> ak;
  std::optional<LoadedKey> node;
  const KeySecret ak_secret = RandomKeySecret();
  const KeySecret node_secret = RandomKeySecret();
  EXPECT_EQ(rig_.Count(
                [&] {
                  return device().CreatePrimary(ESYS_TR_RH_ENDORSEMENT, AttestationKeyTemplate(),
                                                ak_secret);
                },
                ak),
            1u);
  EXPECT_EQ(
      rig_.Count(
          [&] { return device().CreatePrimary(ESYS_TR_RH_NULL, NodeKeyTemplate(), node_secret); },
          node),
      1u);
  EXPECT_EQ(Loaded(), 4u);
  EXPECT_TRUE(device().Quote(*ak, {{crypto::HashAlg::kSha256, 1}}, {}));
  EXPECT_TRUE(device().SignDigest(*node, Bytes(32, 1)));
}

TEST_P(TpmDeviceContract, ActivationReleasesWhatWasWrappedForTheseKeys) {
  const LoadedKey ek = EkWithSession();
  const LoadedKey ak = rig_.Ak(RandomKeySecret());
  const crypto::Secret secret = crypto::Secret::Random(32);
  const Credential credential = Must(MakeCredential(ek.area, ak.area.name(), secret));
  crypto::Secret released;
  const auto activate = [&] { return device().ActivateCredential(ak, ek, template_, credential); };
  const size_t commands = rig_.Count(activate, released);
  EXPECT_TRUE(released.Matches(secret.Reveal()));
  // The authorisation of an H key is subject to dictionary attacks, which the TPM notes once in a
  // boot.
  EXPECT_EQ(commands, template_.needs_policy ? 3u : 2u);
  EXPECT_EQ(rig_.Count(activate, released), template_.needs_policy ? 3u : 1u);
  EXPECT_TRUE(released.Matches(secret.Reveal()));
  EXPECT_EQ(Loaded(), 3u) << "the policy session ends with its use";
}

TEST_P(TpmDeviceContract, ActivationRefusesACredentialForAnotherKeyAndLeavesNothingBehind) {
  const LoadedKey ek = EkWithSession();
  const LoadedKey ak = rig_.Ak(RandomKeySecret());
  Name other = ak.area.name();
  other.back() ^= 1;
  const Credential credential = Must(MakeCredential(ek.area, other, crypto::Secret::Random(32)));
  for (int i = 0; i < 4; ++i) {
    const auto released = device().ActivateCredential(ak, ek, template_, credential);
    ASSERT_FALSE(released);
    EXPECT_EQ(released.error().name, "tpm-failed");
    EXPECT_EQ(released.error().code, Code::kHardware);
  }
  EXPECT_EQ(Loaded(), 3u);
}

TEST_P(TpmDeviceContract, ActivationRefusesMalformedCredentialsBeforeAnyCommand) {
  const LoadedKey ek = EkWithSession();
  const LoadedKey ak = rig_.Ak(RandomKeySecret());
  const Credential good = Must(MakeCredential(ek.area, ak.area.name(), crypto::Secret::Random(32)));
  Credential truncated = good;
  truncated.id_object.pop_back();
  Credential trailing = good;
  trailing.encrypted_secret.push_back(0);
  Credential oversized = good;
  oversized.id_object = Bytes(2 + 4096, 0);
  oversized.id_object[0] = 4096 >> 8;
  for (const Credential& credential : {truncated, trailing, oversized, Credential{}}) {
    const size_t commands = rig_.Count([&] {
      const auto released = device().ActivateCredential(ak, ek, template_, credential);
      ASSERT_FALSE(released);
      EXPECT_EQ(released.error().code, Code::kInvalidArgument);
    });
    EXPECT_EQ(commands, 0u);
  }
  EXPECT_TRUE(device().ActivateCredential(ak, ek, template_, good));
}

TEST_P(TpmDeviceContract, QuoteIsSignedOverNonceAndRegisters) {
  const LoadedKey ek = EkWithSession();
  const LoadedKey ak = rig_.Ak(RandomKeySecret());
  const PcrSelection selection = {{crypto::HashAlg::kSha256, 0x3ff}};
  const Bytes nonce = crypto::RandomBytes(32);
  Quoted quoted;
  EXPECT_EQ(rig_.Count([&] { return device().Quote(ak, selection, nonce); }, quoted), 1u);
  Must(VerifyAttestationSignature(ak.area, quoted.attest, quoted.signature));
  const Attestation attest = Must(ParseAttestation(quoted.attest, AttestKind::kQuote));
  EXPECT_EQ(attest.extra_data, nonce);
  EXPECT_EQ(attest.qualified_signer, Must(QualifiedNameOfPrimary(ak.area, TPM2_RH_ENDORSEMENT)));
  const PcrBank bank = Must(device().ReadPcrs(crypto::HashAlg::kSha256, 0x3ff));
  const auto& quote = std::get<QuoteInfo>(attest.attested);
  EXPECT_EQ(quote.selection, selection);
  EXPECT_EQ(quote.pcr_digest, Must(ComputePcrDigest(selection, {bank}, crypto::HashAlg::kSha256)));
}

TEST_P(TpmDeviceContract, CertifyIsSignedOverNonceAndNameOfTheKey) {
  const LoadedKey ek = EkWithSession();
  const LoadedKey ak = rig_.Ak(RandomKeySecret());
  const LoadedKey node = rig_.NodeKey(RandomKeySecret());
  const Bytes nonce = crypto::RandomBytes(32);
  Quoted quoted;
  EXPECT_EQ(rig_.Count([&] { return device().Certify(node, ak, nonce); }, quoted), 2u);
  Must(VerifyAttestationSignature(ak.area, quoted.attest, quoted.signature));
  const Attestation attest = Must(ParseAttestation(quoted.attest, AttestKind::kCertify));
  EXPECT_EQ(attest.extra_data, nonce);
  EXPECT_EQ(std::get<CertifyInfo>(attest.attested).name, node.area.name());
  EXPECT_EQ(Loaded(), 4u) << "the second session ends with its use";
}

TEST_P(TpmDeviceContract, LeavesTheTpmEmptyWhenItCloses) {
  {
    const LoadedKey ek = EkWithSession();
    const LoadedKey ak = rig_.Ak(RandomKeySecret());
    EXPECT_EQ(Loaded(), 3u);
  }
  rig_.Close();
  rig_.Reopen();
  EXPECT_EQ(Loaded(), 0u);
}

}  // namespace
}  // namespace lodekey::tpm
