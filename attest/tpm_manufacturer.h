// Who made a TPM, as the certificate of its endorsement key says (TCG EK Credential Profile 2.5,
// 3.1.2): worth as much as whoever signed the certificate.
#pragma once

#include <string>

#include "crypto/certificate.h"

namespace lodekey::attest {

inline constexpr size_t kMaxManufacturer = 64;  // bytes

// The vendor's four characters without their padding (TCG Vendor ID Registry): "INTC" of
// "id:494E5443", "IFX" of "id:49465800". What does not stand for such characters is told as it is
// written, as swtpm's "id:00001014". Printable ASCII; empty: the certificate names no maker so.
std::string TpmManufacturer(const crypto::Certificate& certificate);

}  // namespace lodekey::attest
