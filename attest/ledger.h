// lodekey's own measurement list: what the agent recorded in the ledger register, as a TCG
// canonical event log in TLV form (TCG CEL 1.0, 4). Its first record is the claim.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "tpm/public_area.h"

namespace lodekey::attest {

inline constexpr uint8_t kNoLedger = 0xff;       // the host has no free register
inline constexpr size_t kMaxLedgerSize = 65536;  // bytes of a whole ledger

// The first entry of a boot: this AK is the node's. Its digest in a bank is
// H_bank("lodekey/claim/v1" ‖ AK name).
struct Claim {
  tpm::Name ak_name;
  // What the register held when the agent first looked, per bank; empty: its initial value (zeros).
  Bytes first_look = {};
  bool operator==(const Claim&) const = default;
};

struct BankDigest {
  crypto::HashAlg bank;
  Bytes digest;
  bool operator==(const BankDigest&) const = default;
};

struct LedgerRecord {
  uint64_t number = 0;  // counts from 0
  uint8_t pcr = 0;
  std::vector<BankDigest> digests;  // one for each active bank
  Claim claim;
  bool operator==(const LedgerRecord&) const = default;
};

using Ledger = std::vector<LedgerRecord>;

// The digests that TPM2_PCR_Extend gets for the claim.
std::vector<BankDigest> ClaimDigests(const tpm::Name& ak_name,
                                     const std::vector<crypto::HashAlg>& banks);

// Claim::first_look from the values seen, and one bank's value from it (the initial value where
// nothing was recorded).
Bytes EncodeFirstLook(const std::vector<BankDigest>& values);
Result<Bytes> ReadFirstLook(ByteView first_look, crypto::HashAlg bank);

Bytes EncodeLedger(const Ledger& ledger);

// Strict: known types only, records numbered from 0, one register, digests of the right size,
// nothing left over. kInvalidArgument, name "ledger-malformed".
Result<Ledger> ParseLedger(ByteView bytes);

// The register's value in `bank` after all records, from the claim's first look. kInvalidArgument
// ("ledger-malformed") when a record has no digest for the bank.
Result<Bytes> ReplayLedger(const Ledger& ledger, crypto::HashAlg bank);

}  // namespace lodekey::attest
