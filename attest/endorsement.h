// What an endorsement key's certificate proves: that the key sits in a genuine chip of a known
// vendor. Never that it is our chip: the inventory says that.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "tpm/public_area.h"

namespace lodekey::attest {

inline constexpr size_t kMaxEkCertificates = 8;
inline constexpr size_t kMaxEkChainBytes = 16384;

enum class Assurance { kInventory, kEmulator, kHardware };  // weakest first
std::string_view AssuranceName(Assurance assurance);
Result<Assurance> ParseAssurance(std::string_view name);

struct VendorRoots {
  std::vector<crypto::Certificate> hardware = {};
  std::vector<crypto::Certificate> emulators = {};  // chips in software, for tests
};

struct EkAppraisal {
  Assurance assurance = Assurance::kInventory;
  // Why it is not more: "ek-certificate-absent", "ek-certificate-malformed",
  // "ek-certificate-usage", "ek-certificate-unknown-ca"; empty for a chain to a vendor's root.
  std::string reason = {};
  std::string explanation = {};
  std::string manufacturer = {};  // TpmManufacturer, where the chain leads to a configured root
};

// `stored` is the certificate as the chip stores it (padding after the DER is cut), `chain` what
// the host knows of intermediates. Validity periods are not looked at: vendors issue endorsement
// certificates for the life of the chip and let them lapse (TCG EK Credential Profile 2.5, 3.2).
// kUntrusted ("ek-certificate-mismatch") when the certificate is for another key: that host lies.
Result<EkAppraisal> AppraiseEkCertificate(const tpm::PublicArea& ek, ByteView stored,
                                          const std::vector<Bytes>& chain,
                                          const VendorRoots& roots);

// The DER objects of a chip's chain indices, which hold them one after the other. What does not
// begin like a certificate ends the chain.
std::vector<Bytes> SplitStoredChain(ByteView stored);

// The DER object at the front of `stored`, when nothing but uniform padding (0x00, 0x11 or 0xff)
// follows it.
Result<ByteView> TrimStoredCertificate(ByteView stored);

}  // namespace lodekey::attest
