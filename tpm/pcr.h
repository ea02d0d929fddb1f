// Platform configuration registers as values: selections, banks of values, digests, extends.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"

namespace lodekey::tpm {

inline constexpr uint8_t kPcrCount = 24;
// Bytes of a selection's bitmap: the one size a PC Client TPM with 24 registers uses.
inline constexpr uint8_t kPcrSelectSize = kPcrCount / 8;

// Registers 0 to 23 as a bitmap; bit n is PCR n.
using PcrMask = uint32_t;

// "0-9,14" from a mask ("none" from an empty one), and back. Ranges may overlap; a number above 23,
// a range that runs backwards, a blank or an empty text is kInvalidArgument.
std::string FormatPcrMask(PcrMask mask);
Result<PcrMask> ParsePcrMask(std::string_view text);

struct BankSelection {
  crypto::HashAlg bank = crypto::HashAlg::kSha256;
  PcrMask mask = 0;
  bool operator==(const BankSelection&) const = default;
};

// In the order of the signed structure, which is the order of the digest.
using PcrSelection = std::vector<BankSelection>;

// Values of one bank by register.
struct PcrBank {
  crypto::HashAlg alg = crypto::HashAlg::kSha256;
  std::map<uint8_t, Bytes> values = {};

  // The registers that have a value.
  PcrMask mask() const;
  bool operator==(const PcrBank&) const = default;
};

// What the quote's pcrDigest covers: the selected values, ascending, concatenated in selection
// order and hashed with the hash of the signing scheme (part 3, 18.4). kInvalidArgument when a
// selected value is missing or has another size than the bank's digest, or a bank is given twice.
// Values that are not selected are not looked at: the caller compares the masks.
Result<Bytes> ComputePcrDigest(const PcrSelection& selection, const std::vector<PcrBank>& banks,
                               crypto::HashAlg signing_hash);

// H(value ‖ digest): TPM2_PCR_Extend on a value.
Bytes ExtendPcr(crypto::HashAlg alg, ByteView value, ByteView digest);

// The TPM's own form, for commands: three-byte bitmaps, at most 16 banks.
TPML_PCR_SELECTION ToTpml(const PcrSelection& selection);

}  // namespace lodekey::tpm
