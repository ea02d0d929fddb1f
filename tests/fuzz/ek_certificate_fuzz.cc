// What a chip stores for certificates: one of an endorsement key with its padding, and the vendor's
// chain, one certificate after the other. The first is appraised for its own key, so that the way
// to a root is walked, and for another.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "attest/endorsement.h"
#include "attest/tpm_manufacturer.h"
#include "crypto/private_key.h"
#include "tpm/template.h"

namespace {

using namespace lodekey;
using attest::Assurance;

void Require(bool ok) {
  if (!ok) std::abort();
}

// An endorsement key of template L-2 with that point.
std::optional<tpm::PublicArea> EkWith(const crypto::EcPoint& point) {
  TPMT_PUBLIC area = tpm::EkTemplates().front().area;
  TPMS_ECC_POINT& ecc = area.unique.ecc;
  if (point.x.size() != ecc.x.size || point.y.size() != ecc.y.size) return std::nullopt;
  std::ranges::copy(point.x, ecc.x.buffer);
  std::ranges::copy(point.y, ecc.y.buffer);
  auto ek = tpm::PublicArea::FromTpmt(area);
  if (!ek) return std::nullopt;
  return *std::move(ek);
}

const tpm::PublicArea& OtherEk() {
  static const auto point =
      crypto::PrivateKey::GenerateEc(crypto::Curve::kP256)->public_key().Point();
  static const auto ek = EkWith(*point);
  return *ek;
}

void Appraise(const tpm::PublicArea& ek, ByteView stored, const std::vector<Bytes>& chain,
              const attest::VendorRoots& roots) {
  const auto appraisal = attest::AppraiseEkCertificate(ek, stored, chain, roots);
  if (!appraisal) {
    Require(appraisal.error().name == "ek-certificate-mismatch");
    return;
  }
  const bool chains = appraisal->assurance != Assurance::kInventory;
  Require(chains == appraisal->reason.empty() && chains == appraisal->explanation.empty());
  Require(chains || appraisal->manufacturer.empty());
  Require(appraisal->manufacturer.size() <= attest::kMaxManufacturer);
  Require(
      std::ranges::all_of(appraisal->manufacturer, [](char c) { return c >= 0x20 && c < 0x7f; }));
  Require(!chains || !roots.hardware.empty() || !roots.emulators.empty());
}

void AppraiseForItsOwnKey(ByteView stored, const std::vector<Bytes>& chain,
                          const attest::VendorRoots& roots) {
  const auto certificate = crypto::Certificate::FromDer(stored);
  if (!certificate) return;
  const auto point = certificate->key().Point();
  const auto ek = point ? EkWith(*point) : std::nullopt;
  if (ek) Appraise(*ek, stored, chain, roots);
}

// The pieces are the front of what was split.
void CheckPieces(ByteView input, const std::vector<Bytes>& pieces) {
  Require(pieces.size() <= attest::kMaxEkCertificates);
  for (const Bytes& piece : pieces) {
    Require(piece.size() >= 2 && piece.size() <= input.size());
    Require(Equal(input.first(piece.size()), piece));
    input = input.subspan(piece.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(data, size);
  Appraise(OtherEk(), input, {}, {});
  if (const auto trimmed = attest::TrimStoredCertificate(input)) {
    Require(trimmed->data() == data && trimmed->size() <= size);
  }
  const std::vector<Bytes> chain = attest::SplitStoredChain(input);
  CheckPieces(input, chain);
  if (chain.empty()) return 0;

  attest::VendorRoots roots;
  for (const Bytes& der : chain) {
    auto certificate = crypto::Certificate::FromDer(der);
    if (certificate && certificate->is_ca()) roots.hardware.push_back(*std::move(certificate));
  }
  AppraiseForItsOwnKey(chain.front(), chain, roots);
  return 0;
}
