// TPMS_ATTEST, read as a quote and as a certification.
#include <cstdlib>

#include "tpm/attestation.h"

using lodekey::tpm::AttestKind;
using lodekey::tpm::ParseAttestation;
using lodekey::tpm::QuoteInfo;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto quote = ParseAttestation({data, size}, AttestKind::kQuote);
  const auto certify = ParseAttestation({data, size}, AttestKind::kCertify);
  if (quote && certify) std::abort();  // no structure is both
  if (quote) {
    // CVE-2022-0317: a quote that is read selects something.
    bool any = false;
    for (const auto& bank : std::get<QuoteInfo>(quote->attested).selection) any |= bank.mask != 0;
    if (!any) std::abort();
  } else if (quote.error().name.empty()) {
    std::abort();  // every refusal has a name
  }
  return 0;
}
