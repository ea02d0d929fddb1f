// A small certificate authority: every certificate with the key that it certifies.
#pragma once

#include <string>

#include "crypto/certificate_builder.h"

namespace lodekey::test {

struct Identity {
  crypto::PrivateKey key;
  crypto::Certificate certificate;
};

// 2026-01-01 to 2027-01-01, on which the certificates below are valid unless a test says otherwise.
Time ValidFrom();
Time ValidUntil();

crypto::CertificateSpec CaSpec(std::string common_name, int path_length = -1);
crypto::CertificateSpec LeafSpec(std::string uri = "spiffe://example.org/web");

// A fresh P-256 key certified under `spec`: by itself, or by `issuer`.
Identity SelfSigned(const crypto::CertificateSpec& spec);
Identity SignedBy(const Identity& issuer, const crypto::CertificateSpec& spec);

// `tbs` with every occurrence of `from` replaced by `to` (of the same length), signed by `issuer`:
// what no builder of ours would write.
crypto::Certificate SignAltered(const Identity& issuer, Bytes tbs, ByteView from, ByteView to);

// A certificate for a fresh key whose serial number is written with `zeros` needless octets; the
// signature fits those bytes.
crypto::Certificate WithPaddedSerial(const Identity& issuer, crypto::CertificateSpec spec,
                                     size_t zeros = 1);

// How often `part` occurs in `whole`.
size_t Occurrences(ByteView whole, ByteView part);

}  // namespace lodekey::test
