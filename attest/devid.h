// A device identity (IEEE 802.1AR) of the operator's: certificates for a signing key that lives in
// the same chip as the attestation key (TCG, TPM 2.0 Keys for Device Identity and Attestation).
// Certificates alone are a claim, since anybody can copy them; the chip's word makes it a proof.
#pragma once

#include <string>
#include <vector>

#include "attest/evidence.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/certificate.h"
#include "tpm/public_area.h"

namespace lodekey::attest {

inline constexpr size_t kMaxDevIdCertificates = 4;
inline constexpr size_t kMaxDevIdBytes = 8192;  // of all certificates
inline constexpr size_t kMaxDevIdName = 1024;   // bytes of subject, serial or issuer, as text

// A DevID certificate whose key the TPM holds.
struct ProvedDevId {
  std::string subject;  // RFC 2253
  std::string serial;   // hex
  std::string issuer;
  Bytes key_sha256 = {};  // of the key's SubjectPublicKeyInfo: the same for every certificate of it
  bool operator==(const ProvedDevId&) const = default;
};

// One that a host showed, whose certificates are good.
struct DevIdClaim {
  ProvedDevId unproved;
  tpm::Name key_name;
};

// What makes a certificate a DevID of the operator's.
struct DevIdProfile {
  std::vector<crypto::Certificate> roots = {};
  // Dotted object identifiers, of which the leaf has one: as an extended key usage or as a
  // certificate policy (TCG's own are policies, tcg-cap-verifiedTPMFixed 2.23.133.11.1.2). Empty:
  // any leaf will do that its extended key usages, if it has any, do not confine to something else.
  std::vector<std::string> usages = {};
};

// `certificates`: DER, leaf first. `key_public`: the TPM2B_PUBLIC that the host says the leaf's key
// has. The path to a root and its validity at `now` are checked, and that the area is one of a key
// that was born in a chip and stays there, and signs what it is given: neither restricted nor for
// decryption. Errors, kUntrusted or kInvalidArgument: "devid-too-large", "devid-malformed",
// "devid-usage" (the certificate of an authority, or one that is for something else),
// "devid-key-mismatch", "devid-key-attributes", "key-weak", "devid-unknown-ca", "devid-expired" (or
// not valid yet), and those of tpm::PublicArea::Parse.
Result<DevIdClaim> ReadDevIdClaim(const std::vector<Bytes>& certificates, ByteView key_public,
                                  const DevIdProfile& profile, Time now);

// `certification`: TPM2_Certify of the claim's key by `ak`, over `qualifying` (Bind,
// Purpose::kEnrolDevId). kUntrusted: "devid-not-certified", "devid-certified-other-key", and the
// names of a certification's rules ("signature-invalid", "binding-mismatch" …).
Result<ProvedDevId> ProveDevId(const DevIdClaim& claim, const tpm::PublicArea& ak,
                               const Certification& certification, ByteView qualifying);

}  // namespace lodekey::attest
