// A generator that repeats itself: what is to be fresh has to be unlike all that was before.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "attest/codec.h"
#include "attest/evidence.h"
#include "crypto/secret.h"
#include "issuer/next_step.h"
#include "tests/issuer/service_attack_table.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

// Whether the values could come from a good generator: all are different, and each bit is set in
// about half of them (six standard deviations: chance alone fails it once in a million runs).
bool LooksRandom(const std::vector<Bytes>& values) {
  if (std::set<Bytes>(values.begin(), values.end()).size() != values.size()) return false;
  const double count = static_cast<double>(values.size());
  const double tolerance = 6 * std::sqrt(count) / 2;
  for (size_t bit = 0; bit < 8 * values.front().size(); ++bit) {
    const auto set = std::ranges::count_if(
        values, [&](const Bytes& value) { return (value[bit / 8] >> bit % 8 & 1) != 0; });
    if (std::abs(static_cast<double>(set) - count / 2) > tolerance) return false;
  }
  return true;
}

std::vector<Bytes> NoncesOf(const IssuerRig& issuer, size_t count) {
  issuer::NodeRecord record;
  std::vector<Bytes> nonces;
  while (nonces.size() < count) {
    nonces.push_back(
        attest::FromField(issuer::OfferNextStep(*issuer.context, record, issuer.now).nonce()));
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
