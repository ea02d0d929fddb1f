// TPMS_ATTEST: what a TPM signed (TPM 2.0 part 2, 10.12). Parsed strictly: magic, known type,
// bounded counts, nothing left over.
#pragma once

#include <cstdint>
#include <variant>

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/result.h"
#include "tpm/pcr.h"
#include "tpm/public_area.h"
#include "tpm/signature.h"  // IWYU pragma: export

namespace lodekey::tpm {

struct ClockInfo {
  uint64_t clock = 0;          // milliseconds the TPM was powered, since its last clear
  uint32_t reset_count = 0;    // TPM Resets since the last clear
  uint32_t restart_count = 0;  // TPM Restarts and Resumes since the last Reset
  bool safe = false;           // false: the clock may repeat after an unorderly shutdown
  bool operator==(const ClockInfo&) const = default;
};

struct QuoteInfo {
  PcrSelection selection;
  Bytes pcr_digest;
};

struct CertifyInfo {
  Name name;
  Name qualified_name;
};

struct Attestation {
  Name qualified_signer;
  Bytes extra_data;
  ClockInfo clock;
  uint64_t firmware_version = 0;
  std::variant<QuoteInfo, CertifyInfo> attested;
};

enum class AttestKind { kQuote, kCertify };

// The TPMS_ATTEST that fills `bytes`. All failures are kInvalidArgument; Error::name is
// "attest-malformed" (truncated, trailing bytes, counts, sizes), "attest-magic", "attest-type"
// (another type than `expected`), or "attest-selection" (a bank twice, a bitmap that is not of
// three bytes, an unknown bank, no register at all).
Result<Attestation> ParseAttestation(ByteView bytes, AttestKind expected);

// For tests and benchmarks, which sign real structures with a software key.
Result<Bytes> MarshalAttestation(const TPMS_ATTEST& attest);

}  // namespace lodekey::tpm
