#include "issuer/challenge.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::Challenge;
using issuer::ChallengeSealer;
using std::chrono::milliseconds;
using std::chrono::seconds;

crypto::Secret Key(uint8_t value) { return crypto::Secret::Copy(Bytes(32, value)); }

ChallengeSealer Sealer(uint8_t key = 1, const std::string& trust_domain = "example.org") {
  return ChallengeSealer(Key(key), trust_domain);
}

Challenge Sample() {
  return {.id = Bytes(16, 1),
          .made = At(1000),
          .expires = At(121'000),
          .nonce = Bytes(32, 2),
          .activation_secret = crypto::Secret::Copy(Bytes(32, 3)),
          .node_id = SampleNodeId(4),
          .node_revision = uint64_t{1} << 63,
          .assurance = attest::Assurance::kEmulator,
          .ek_public = Bytes(122, 5),
          .ak_public = Bytes(90, 6),
          .node_key_public = Bytes(88, 7)};
}

void ExpectNotOurs(const Result<Challenge>& opened) {
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kUntrusted);
  EXPECT_EQ(opened.error().Name(), "challenge-invalid");
}

void ExpectTooOld(const Result<Challenge>& opened) {
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kTimeout);
  EXPECT_EQ(opened.error().Name(), "challenge-expired");
}

TEST(ChallengeSealer, OpensWhatItSealed) {
  const Challenge sample = Sample();
  const Challenge opened = Must(Sealer().Open(Must(Sealer().Seal(sample)), At(1000)));
  EXPECT_EQ(opened.id, sample.id);
  EXPECT_EQ(opened.made, sample.made);
  EXPECT_EQ(opened.expires, sample.expires);
  EXPECT_EQ(opened.nonce, sample.nonce);
  EXPECT_TRUE(opened.activation_secret.Matches(sample.activation_secret.Reveal()));
  EXPECT_EQ(opened.node_id, sample.node_id);
  EXPECT_EQ(opened.node_revision, sample.node_revision);
  EXPECT_EQ(opened.assurance, sample.assurance);
  EXPECT_EQ(opened.ek_public, sample.ek_public);
  EXPECT_EQ(opened.ak_public, sample.ak_public);
  EXPECT_EQ(opened.node_key_public, sample.node_key_public);
}

TEST(ChallengeSealer, HoldsTheLargestKeysThatMayEnrol) {
  Challenge challenge = Sample();
  challenge.ek_public = challenge.ak_public = challenge.node_key_public =
      Bytes(tpm::PublicArea::kMaxSize, 1);
  const Bytes sealed = Must(Sealer().Seal(challenge));
  EXPECT_EQ(Must(Sealer().Open(sealed, At(1000))).node_key_public.size(),
            tpm::PublicArea::kMaxSize);
}

TEST(ChallengeSealer, NeverSealsAlikeTwice) {
  EXPECT_NE(Must(Sealer().Seal(Sample())), Must(Sealer().Seal(Sample())));
}

TEST(ChallengeSealer, ShowsNothingOfTheSecret) {
  const Bytes sealed = Must(Sealer().Seal(Sample()));
  const Bytes secret(8, 3);
  EXPECT_TRUE(std::ranges::search(sealed, secret).empty());
}

TEST(ChallengeSealer, RefusesABoxWithAnyByteChanged) {
  const Bytes sealed = Must(Sealer().Seal(Sample()));
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 0x80;
    ExpectNotOurs(Sealer().Open(changed, At(1000)));
  }
}

TEST(ChallengeSealer, RefusesABoxCutAtAnyByteOrWithATail) {
  const Bytes sealed = Must(Sealer().Seal(Sample()));
  for (size_t size = 0; size < sealed.size(); ++size)
    ExpectNotOurs(Sealer().Open(ByteView(sealed).first(size), At(1000)));
  Bytes longer = sealed;
  longer.push_back(0);
  ExpectNotOurs(Sealer().Open(longer, At(1000)));
  ExpectNotOurs(Sealer().Open(Bytes(1 << 20, 0), At(1000)));
}

TEST(ChallengeSealer, RefusesAnotherKeysOrTrustDomainsBox) {
  const Bytes sealed = Must(Sealer().Seal(Sample()));
  ExpectNotOurs(Sealer(2).Open(sealed, At(1000)));
  ExpectNotOurs(Sealer(1, "example.com").Open(sealed, At(1000)));
  EXPECT_TRUE(Sealer().Open(sealed, At(1000)));
}

TEST(ChallengeSealer, RefusesWhatIsTooOldOrFromTheFuture) {
  const Bytes sealed = Must(Sealer().Seal(Sample()));
  EXPECT_TRUE(Sealer().Open(sealed, At(1000)));
  EXPECT_TRUE(Sealer().Open(sealed, At(121'000) - milliseconds(1)));
  ExpectTooOld(Sealer().Open(sealed, At(121'000)));
  ExpectTooOld(Sealer().Open(sealed, At(121'000) + std::chrono::hours(24 * 365)));
  ExpectTooOld(Sealer().Open(sealed, At(1000) - milliseconds(1)));
}

// A stranger learns nothing of the age of what is not ours.
TEST(ChallengeSealer, LooksAtTheSealBeforeTheTime) {
  Bytes sealed = Must(Sealer().Seal(Sample()));
  sealed.back() ^= 1;
  ExpectNotOurs(Sealer().Open(sealed, At(121'000) + seconds(1)));
}

}  // namespace
}  // namespace lodekey::test
