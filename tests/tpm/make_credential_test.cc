#include "tpm/make_credential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/writer.h"
#include "tests/support/must.h"
#include "tests/support/software_tpm.h"

namespace lodekey::tpm {
namespace {

using crypto::HashAlg;
using crypto::Secret;
using test::Must;
using test::SoftwareTpm;

std::string FailureOf(const Result<Secret>& result) {
  return result ? "none" : std::string(result.error().Name());
}

class MakeCredentialFor : public testing::TestWithParam<const char*> {
 protected:
  const SoftwareTpm tpm_{{.ek_template = GetParam()}};
  const Secret secret_ = Secret::Random(32);

  Credential Make() { return Must(MakeCredential(tpm_.ek().area, tpm_.ak().area.name(), secret_)); }
};

INSTANTIATE_TEST_SUITE_P(Templates, MakeCredentialFor,
                         testing::Values("p256-l2", "p384-h3", "rsa2048-l1"), [](const auto& row) {
                           std::string name = row.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(MakeCredentialFor, IsActivatedByItsTpm) {
  EXPECT_TRUE(Must(tpm_.ActivateCredential(Make())).Matches(secret_.Reveal()));
}

TEST_P(MakeCredentialFor, IsNeverTheSameTwice) {
  const Credential one = Make();
  const Credential other = Make();
  EXPECT_NE(one.id_object, other.id_object);
  EXPECT_NE(one.encrypted_secret, other.encrypted_secret);
}

TEST_P(MakeCredentialFor, TakesASecretOfAnySizeUpToTheNamesDigest) {
  const size_t max = crypto::DigestSize(Must(ToHashAlg(tpm_.ek().area.name_alg())));
  const Name& name = tpm_.ak().area.name();
  for (const size_t size : {size_t{1}, size_t{16}, max}) {
    const Secret secret = Secret::Random(size);
    const Credential credential = Must(MakeCredential(tpm_.ek().area, name, secret));
    EXPECT_TRUE(Must(tpm_.ActivateCredential(credential)).Matches(secret.Reveal())) << size;
  }
  EXPECT_FALSE(MakeCredential(tpm_.ek().area, name, Secret::Random(max + 1)));
  EXPECT_FALSE(MakeCredential(tpm_.ek().area, name, Secret()));
}

TEST_P(MakeCredentialFor, A43IsNotActivatedForAnotherKey) {
  const SoftwareTpm other({.ek_template = GetParam()});
  EXPECT_EQ(FailureOf(tpm_.ActivateCredential(Make(), other.ak().area.name())),
            "credential-integrity");
}

TEST_P(MakeCredentialFor, A44IsNotActivatedByAnotherEk) {
  const SoftwareTpm other({.ek_template = GetParam(), .chip = 1});
  const auto secret = other.ActivateCredential(Make(), tpm_.ak().area.name());
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().Name(), "credential-integrity");
  EXPECT_EQ(secret.error().code, Code::kUntrusted);
}

TEST_P(MakeCredentialFor, IsRefusedAfterAnyChange) {
  const Credential whole = Make();
  for (size_t i = 0; i < whole.id_object.size(); ++i) {
    Credential changed = whole;
    changed.id_object[i] ^= 1;
    ASSERT_FALSE(tpm_.ActivateCredential(changed)) << i;
  }
  for (size_t i = 0; i < whole.encrypted_secret.size(); i += 7) {
    Credential changed = whole;
    changed.encrypted_secret[i] ^= 1;
    ASSERT_FALSE(tpm_.ActivateCredential(changed)) << i;
  }
}

TEST_P(MakeCredentialFor, IsRefusedWhenCutOrLengthened) {
  const Credential whole = Make();
  for (size_t size = 0; size < whole.id_object.size(); ++size) {
    Credential cut = whole;
    cut.id_object.resize(size);
    ASSERT_FALSE(tpm_.ActivateCredential(cut)) << size;
  }
  for (size_t size = 0; size < whole.encrypted_secret.size(); ++size) {
    Credential cut = whole;
    cut.encrypted_secret.resize(size);
    ASSERT_FALSE(tpm_.ActivateCredential(cut)) << size;
  }
  Credential longer = whole;
  longer.id_object.push_back(0);
  EXPECT_FALSE(tpm_.ActivateCredential(longer));
  longer = whole;
  longer.encrypted_secret.push_back(0);
  EXPECT_FALSE(tpm_.ActivateCredential(longer));
}

TEST_P(MakeCredentialFor, HidesTheSecret) {
  const Credential credential = Make();
  const std::string_view needle = AsText(secret_.Reveal());
  EXPECT_EQ(AsText(credential.id_object).find(needle), std::string_view::npos);
  EXPECT_EQ(AsText(credential.encrypted_secret).find(needle), std::string_view::npos);
}

TEST(MakeCredential, A49IsNotMadeForAKeyThatIsNoStorageKey) {
  const SoftwareTpm tpm;
  const Secret secret = Secret::Random(32);
  for (const PublicArea* key : {&tpm.ak().area, &tpm.node_key().area}) {
    const auto credential = MakeCredential(*key, tpm.ak().area.name(), secret);
    ASSERT_FALSE(credential);
    EXPECT_EQ(credential.error().Name(), "ek-unusable");
  }
}

TEST(MakeCredential, A49IsNotMadeForAnEkThatWrapsOtherwise) {
  const SoftwareTpm tpm({.change_ek = [](auto& area) {
    area.parameters.eccDetail.symmetric.mode.aes = TPM2_ALG_CBC;
  }});
  const auto credential = MakeCredential(tpm.ek().area, tpm.ak().area.name(), Secret::Random(32));
  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().Name(), "ek-unusable");
}

// One block of each, written out from the text of the specification.
TEST(Kdfa, IsHmacOverCounterLabelContextsAndBits) {
  const Bytes key(16, 0x11);
  const Bytes u = {1, 2, 3};
  const Bytes v = {4, 5};
  const Bytes message =
      Must(ParseHex("00000001"
                    "53544f5241474500"
                    "010203"
                    "0405"
                    "00000080"));
  const Bytes block = crypto::Hmac(HashAlg::kSha256, key, {message});
  EXPECT_EQ(ToHex(Kdfa(HashAlg::kSha256, key, "STORAGE", u, v, 128).Reveal()),
            ToHex(ByteView(block).first(16)));
}

TEST(Kdfe, IsADigestOverCounterSecretLabelAndParties) {
  const Bytes z(32, 0x22);
  const Bytes u = {1, 2, 3};
  const Bytes v = {4, 5};
  const Writer message =
      Writer().U32Be(1).Raw(z).Raw(Must(ParseHex("4944454e5449545900"))).Raw(u).Raw(v);
  EXPECT_EQ(ToHex(Kdfe(HashAlg::kSha256, z, "IDENTITY", u, v, 256).Reveal()),
            ToHex(crypto::Sha256(message.view())));
}

TEST(Kdfa, CountsBlocksForLongerKeys) {
  const Bytes key(16, 0x11);
  const Secret two = Kdfa(HashAlg::kSha1, key, "X", {}, {}, 256);
  ASSERT_EQ(two.size(), 32U);
  const Bytes second = crypto::Hmac(HashAlg::kSha1, key, {Must(ParseHex("00000002580000000100"))});
  EXPECT_EQ(ToHex(two.Reveal().subspan(20)), ToHex(ByteView(second).first(12)));
}

}  // namespace
}  // namespace lodekey::tpm
