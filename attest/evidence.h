// Evidence (RFC 9334): what a host sends to be judged. Plain bytes from a stranger until an
// appraisal has accepted them.
#pragma once

#include <cstdint>
#include <optional>

#include "attest/ledger.h"
#include "base/bytes.h"
#include "tpm/pcr.h"

namespace lodekey::attest {

inline constexpr size_t kMaxBootLogSize = 1 << 20;
inline constexpr size_t kMaxImaChunk = 1 << 20;
inline constexpr size_t kNonceSize = 32;

struct Evidence {
  Bytes quote = {};                       // TPMS_ATTEST
  Bytes quote_signature = {};             // TPMT_SIGNATURE
  std::optional<tpm::PcrBank> pcrs = {};  // absent: the values last accepted still hold
  Bytes boot_log_digest = {};             // SHA-256; empty: the host has no boot log
  std::optional<Bytes> boot_log = {};     // absent: the issuer has it
  uint8_t ledger_pcr = kNoLedger;
  std::optional<Bytes> ledger = {};  // absent: as last accepted
  uint64_t ima_offset = 0;
  Bytes ima_chunk = {};
};

// TPM2_Certify of the key that is to get the certificate.
struct Certification {
  Bytes attest = {};     // TPMS_ATTEST
  Bytes signature = {};  // TPMT_SIGNATURE
};

}  // namespace lodekey::attest
