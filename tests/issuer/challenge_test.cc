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

constexpr int64_t kMade = 1000;
constexpr int64_t kExpires = 121'000;

Challenge Sample() {
  return {.id = Bytes(16, 1),
          .made = At(kMade),
          .expires = At(kExpires),
          .nonce = Bytes(32, 2),
          .activation_secret = crypto::Secret::Copy(Bytes(32, 3)),
          .node_id = SampleNodeId(4),
          .node_revision = uint64_t{1} << 63,
          .assurance = attest::Assurance::kEmulator,
          .manufacturer = "INTC",
          .ek_public = Bytes(122, 5),
          .ak_public = Bytes(90, 6),
          .node_key_public = Bytes(88, 7)};
}

class ChallengeSealerTest : public testing::Test {
 protected:
  static ChallengeSealer Sealer(uint8_t key = 1, const std::string& trust_domain = "example.org") {
    return ChallengeSealer(Key(key), trust_domain);
  }
  static Result<Challenge> Open(ByteView box, Time now = At(kMade)) {
    return Sealer().Open(box, now);
  }
  static void ExpectRefused(const Result<Challenge>& opened, Code code, std::string_view name) {
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, code);
    EXPECT_EQ(opened.error().Name(), name);
  }
  static void ExpectNotOurs(const Result<Challenge>& opened) {
    ExpectRefused(opened, Code::kUntrusted, "challenge-invalid");
  }
  void ExpectTooOld(Time now) const {
    ExpectRefused(Open(sealed, now), Code::kTimeout, "challenge-expired");
  }

  const Challenge sample = Sample();
  const Bytes sealed = Must(Sealer().Seal(sample));
};

TEST_F(ChallengeSealerTest, OpensWhatItSealed) {
  const Challenge opened = Must(Open(sealed));
  EXPECT_EQ(opened.id, sample.id);
  EXPECT_EQ(opened.made, sample.made);
  EXPECT_EQ(opened.expires, sample.expires);
  EXPECT_EQ(opened.nonce, sample.nonce);
  EXPECT_TRUE(opened.activation_secret.Matches(sample.activation_secret.Reveal()));
  EXPECT_EQ(opened.node_id, sample.node_id);
  EXPECT_EQ(opened.node_revision, sample.node_revision);
  EXPECT_EQ(opened.assurance, sample.assurance);
  EXPECT_EQ(opened.manufacturer, "INTC");
  EXPECT_EQ(opened.ek_public, sample.ek_public);
  EXPECT_EQ(opened.ak_public, sample.ak_public);
  EXPECT_EQ(opened.node_key_public, sample.node_key_public);
}

TEST_F(ChallengeSealerTest, HoldsTheLargestKeysThatMayEnrol) {
  Challenge challenge = Sample();
  challenge.ek_public = challenge.ak_public = challenge.node_key_public =
      Bytes(tpm::PublicArea::kMaxSize, 1);
  const Bytes largest = Must(Sealer().Seal(challenge));
  EXPECT_EQ(Must(Open(largest)).node_key_public.size(), tpm::PublicArea::kMaxSize);
}

TEST_F(ChallengeSealerTest, NeverSealsAlikeTwice) {
  EXPECT_NE(Must(Sealer().Seal(sample)), sealed);
}

TEST_F(ChallengeSealerTest, ShowsNothingOfTheSecret) {
  const Bytes secret(8, 3);
  EXPECT_TRUE(std::ranges::search(sealed, secret).empty());
}

TEST_F(ChallengeSealerTest, RefusesABoxWithAnyByteChanged) {
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 0x80;
    ExpectNotOurs(Open(changed));
  }
}

TEST_F(ChallengeSealerTest, RefusesABoxCutAtAnyByteOrWithATail) {
  for (size_t size = 0; size < sealed.size(); ++size)
    ExpectNotOurs(Open(ByteView(sealed).first(size)));
  Bytes longer = sealed;
  longer.push_back(0);
  ExpectNotOurs(Open(longer));
  ExpectNotOurs(Open(Bytes(1 << 20, 0)));
}

TEST_F(ChallengeSealerTest, RefusesAnotherKeysOrTrustDomainsBox) {
  ExpectNotOurs(Sealer(2).Open(sealed, At(kMade)));
  ExpectNotOurs(Sealer(1, "example.com").Open(sealed, At(kMade)));
  EXPECT_TRUE(Open(sealed));
}

TEST_F(ChallengeSealerTest, RefusesWhatIsTooOldOrFromTheFuture) {
  EXPECT_TRUE(Open(sealed));
  EXPECT_TRUE(Open(sealed, At(kExpires) - milliseconds(1)));
  ExpectTooOld(At(kExpires));
  ExpectTooOld(At(kExpires) + std::chrono::hours(24 * 365));
  ExpectTooOld(At(kMade) - milliseconds(1));
}

// A stranger learns nothing of the age of what is not ours.
TEST_F(ChallengeSealerTest, LooksAtTheSealBeforeTheTime) {
  Bytes changed = sealed;
  changed.back() ^= 1;
  ExpectNotOurs(Open(changed, At(kExpires) + seconds(1)));
}

}  // namespace
}  // namespace lodekey::test
