#include "crypto/roca.h"

#include <algorithm>
#include <bitset>
#include <vector>

namespace lodekey::crypto {
namespace {

// The generator made its primes as k·M + (65537^a mod M), M the product of the first primes. The
// shortest keys used those up to 167, longer keys used more: these divide every M.
constexpr uint32_t kLargestPrime = 167;
constexpr uint32_t kGenerator = 65537;

struct Subgroup {
  uint32_t prime;
  std::bitset<kLargestPrime + 1> powers;  // the residues that are powers of the generator
};

bool IsPrime(uint32_t n) {
  for (uint32_t divisor = 2; divisor * divisor <= n; ++divisor) {
    if (n % divisor == 0) return false;
  }
  return n > 1;
}

std::vector<Subgroup> MakeSubgroups() {
  std::vector<Subgroup> subgroups;
  for (uint32_t prime = 3; prime <= kLargestPrime; prime += 2) {
    if (!IsPrime(prime)) continue;
    Subgroup subgroup{.prime = prime, .powers = {}};
    for (uint32_t power = 1; !subgroup.powers[power]; power = power * kGenerator % prime) {
      subgroup.powers.set(power);
    }
    subgroups.push_back(subgroup);
  }
  return subgroups;
}

uint32_t Remainder(ByteView number, uint32_t divisor) {
  uint32_t remainder = 0;
  for (uint8_t byte : number) remainder = (remainder << 8 | byte) % divisor;
  return remainder;
}

}  // namespace

bool HasRocaFingerprint(ByteView modulus) {
  static const std::vector<Subgroup> subgroups = MakeSubgroups();
  return std::all_of(subgroups.begin(), subgroups.end(), [modulus](const Subgroup& subgroup) {
    return subgroup.powers[Remainder(modulus, subgroup.prime)];
  });
}

}  // namespace lodekey::crypto
