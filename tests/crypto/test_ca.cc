#include "tests/crypto/test_ca.h"

#include <algorithm>
#include <stdexcept>

#include "tests/support/must.h"

namespace lodekey::test {

using crypto::CertificateSpec;

Time ValidFrom() { return Must(ParseTime("2026-01-01T00:00:00Z")); }
Time ValidUntil() { return Must(ParseTime("2027-01-01T00:00:00Z")); }

CertificateSpec CaSpec(std::string common_name, int path_length) {
  return {.serial = crypto::RandomSerial(),
          .common_name = std::move(common_name),
          .organization = "Example",
          .not_before = ValidFrom(),
          .not_after = ValidUntil(),
          .ca = true,
          .path_length = path_length};
}

CertificateSpec LeafSpec(std::string uri) {
  return {.serial = crypto::RandomSerial(),
          .not_before = ValidFrom(),
          .not_after = ValidUntil(),
          .uri_sans = {std::move(uri)},
          .client_auth = true,
          .server_auth = true};
}

Identity SelfSigned(const CertificateSpec& spec) {
  auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  auto certificate = Must(crypto::SignCertificate(spec, key.public_key(), nullptr, key));
  return {std::move(key), std::move(certificate)};
}

Identity SignedBy(const Identity& issuer, const CertificateSpec& spec) {
  auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  auto certificate =
      Must(crypto::SignCertificate(spec, key.public_key(), &issuer.certificate, issuer.key));
  return {std::move(key), std::move(certificate)};
}

crypto::Certificate SignAltered(const Identity& issuer, Bytes tbs, ByteView from, ByteView to) {
  if (from.size() != to.size() || Occurrences(tbs, from) == 0) {
    throw std::runtime_error("nothing to alter");
  }
  auto at = std::search(tbs.begin(), tbs.end(), from.begin(), from.end());
  while (at != tbs.end()) {
    at = std::copy(to.begin(), to.end(), at);
    at = std::search(at, tbs.end(), from.begin(), from.end());
  }
  const Bytes signature =
      Must(issuer.key.Sign(crypto::SignatureScheme::kEcdsa, crypto::HashAlg::kSha256, tbs));
  return Must(crypto::AssembleCertificate(tbs, signature));
}

crypto::Certificate WithPaddedSerial(const Identity& issuer, CertificateSpec spec, size_t zeros) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  spec.serial = Bytes(16, 0x5a);
  Bytes padded = spec.serial;
  std::fill_n(padded.begin(), zeros, uint8_t{0});
  const Bytes tbs = Must(crypto::BuildTbsCertificate(spec, key.public_key(), &issuer.certificate));
  return SignAltered(issuer, tbs, spec.serial, padded);
}

size_t Occurrences(ByteView whole, ByteView part) {
  size_t count = 0;
  auto at = std::search(whole.begin(), whole.end(), part.begin(), part.end());
  while (at != whole.end()) {
    ++count;
    at = std::search(at + 1, whole.end(), part.begin(), part.end());
  }
  return count;
}

}  // namespace lodekey::test
