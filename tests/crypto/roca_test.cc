#include "crypto/roca.h"

#include <vector>

#include <gtest/gtest.h>
#include <openssl/bn.h>

#include "base/handle.h"
#include "crypto/private_key.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;
using Number = CHandle<BIGNUM, BN_free>;
using Scratch = CHandle<BN_CTX, BN_CTX_free>;

Number Make(BN_ULONG value) {
  Number number(BN_new());
  BN_set_word(number.get(), value);
  return number;
}

Bytes ToBytes(const BIGNUM* number) {
  Bytes bytes(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, bytes.data());
  return bytes;
}

bool IsPrime(unsigned n) {
  for (unsigned d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return n > 1;
}

// M: the product of the primes from 2 to `last`.
Number Primorial(unsigned last) {
  Number product = Make(1);
  for (unsigned n = 2; n <= last; ++n) {
    if (IsPrime(n)) BN_mul_word(product.get(), n);
  }
  return product;
}

// k·M + (65537^a mod M), as the flawed generator made its primes; of `bits` bits with random k and
// a. Whether it is prime does not matter to the fingerprint.
Number FlawedFactor(const BIGNUM* m, int bits) {
  Scratch scratch(BN_CTX_new());
  Number a(BN_new()), k(BN_new()), factor(BN_new());
  const Number generator = Make(65537);
  BN_rand(a.get(), 64, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
  BN_rand(k.get(), bits - BN_num_bits(m), BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
  BN_mod_exp(factor.get(), generator.get(), a.get(), m, scratch.get());
  BN_mul(k.get(), k.get(), m, scratch.get());
  BN_add(factor.get(), factor.get(), k.get());
  return factor;
}

Bytes FlawedModulus(unsigned last_prime, int bits) {
  Scratch scratch(BN_CTX_new());
  const Number m = Primorial(last_prime);
  const Number p = FlawedFactor(m.get(), bits / 2 + 1);
  const Number q = FlawedFactor(m.get(), bits / 2);
  Number n(BN_new());
  BN_mul(n.get(), p.get(), q.get(), scratch.get());
  return ToBytes(n.get());
}

TEST(RocaFingerprint, IsFoundInModuliOfTheFlawedForm) {
  // The last prime of M by the size of the modulus: 39, 71 and 126 primes.
  const std::pair<unsigned, int> kinds[] = {{167, 512}, {353, 1024}, {701, 2048}};
  for (const auto& [last_prime, bits] : kinds) {
    for (int trial = 0; trial < 20; ++trial) {
      EXPECT_TRUE(HasRocaFingerprint(FlawedModulus(last_prime, bits))) << bits;
    }
  }
}

// By the Chinese remainder theorem: 65537^k modulo each prime with one k is 65537^k modulo M.
TEST(RocaFingerprint, IsFoundInAPowerOfTheGeneratorItself) {
  Scratch scratch(BN_CTX_new());
  const Number m = Primorial(167);
  const Number generator = Make(65537);
  for (BN_ULONG k : {0ul, 1ul, 2ul, 1000ul, 123456789ul}) {
    Number n(BN_new());
    BN_mod_exp(n.get(), generator.get(), Make(k).get(), m.get(), scratch.get());
    EXPECT_TRUE(HasRocaFingerprint(ToBytes(n.get()))) << k;
  }
}

TEST(RocaFingerprint, IsLostWhenOneResidueLeavesTheSubgroup) {
  Scratch scratch(BN_CTX_new());
  const Number m = Primorial(167);
  for (int trial = 0; trial < 20; ++trial) {
    // 65537 is 10 modulo 37, with the powers 1, 10 and 26: twice one of them is none of them.
    Number n = FlawedFactor(m.get(), 1024);
    BN_mul_word(n.get(), 2);
    EXPECT_FALSE(HasRocaFingerprint(ToBytes(n.get())));
  }
}

TEST(RocaFingerprint, IsNotInOrdinaryModuli) {
  Number n(BN_new());
  for (int trial = 0; trial < 2000; ++trial) {
    BN_rand(n.get(), 2048, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
    ASSERT_FALSE(HasRocaFingerprint(ToBytes(n.get())));
  }
  EXPECT_FALSE(HasRocaFingerprint({}));
}

TEST(RocaFingerprint, IsToldByThePublicKey) {
  const auto flawed = Must(PublicKey::FromRsa(FlawedModulus(701, 2048), 0));
  EXPECT_TRUE(flawed.HasRocaFingerprint());
  EXPECT_FALSE(Must(PrivateKey::GenerateRsa(2048)).public_key().HasRocaFingerprint());
  EXPECT_FALSE(Must(PrivateKey::GenerateEc(Curve::kP256)).public_key().HasRocaFingerprint());
}

}  // namespace
}  // namespace lodekey::crypto
