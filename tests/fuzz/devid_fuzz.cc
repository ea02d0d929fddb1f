// What a host shows for a DevID: certificates, one after the other, leaf first. The leaf is claimed
// for its own key, so that the way to a root is walked, with every authority among them as a root.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "attest/devid.h"
#include "attest/endorsement.h"
#include "tpm/template.h"

namespace {

using namespace lodekey;

// A signing key of a chip with that point.
std::optional<Bytes> KeyWith(const crypto::EcPoint& point) {
  TPMT_PUBLIC area = tpm::NodeKeyTemplate();
  TPMS_ECC_POINT& ecc = area.unique.ecc;
  if (point.x.size() > sizeof(ecc.x.buffer) || point.y.size() > sizeof(ecc.y.buffer))
    return std::nullopt;
  ecc.x.size = static_cast<UINT16>(point.x.size());
  ecc.y.size = static_cast<UINT16>(point.y.size());
  std::ranges::copy(point.x, ecc.x.buffer);
  std::ranges::copy(point.y, ecc.y.buffer);
  const auto key = tpm::PublicArea::FromTpmt(area);
  if (!key) return std::nullopt;
  return key->tpm2b();
}

void Claim(const std::vector<Bytes>& chain, ByteView key,
           const std::vector<crypto::Certificate>& roots) {
  const auto claim =
      attest::ReadDevIdClaim(chain, key, {.roots = roots}, Time(Duration(1'800'000'000'000)));
  if (!claim) {
    if (claim.error().name.empty()) std::abort();
    return;
  }
  const bool bounded = claim->unproved.subject.size() <= attest::kMaxDevIdName &&
                       claim->unproved.issuer.size() <= attest::kMaxDevIdName;
  if (roots.empty() || claim->key_name.empty() || !bounded) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<Bytes> chain = attest::SplitStoredChain({data, size});
  Claim(chain, {data, size}, {});
  std::vector<crypto::Certificate> roots;
  for (const Bytes& der : chain) {
    auto certificate = crypto::Certificate::FromDer(der);
    if (certificate && certificate->is_ca()) roots.push_back(*std::move(certificate));
  }
  if (chain.empty()) return 0;
  const auto leaf = crypto::Certificate::FromDer(chain.front());
  if (!leaf) return 0;
  const auto point = leaf->key().Point();
  if (!point) return 0;
  if (const auto key = KeyWith(*point)) Claim(chain, *key, roots);
  return 0;
}
