// ChallengeSealer::Open of any bytes, and of any bytes that an issuer could have sealed.
#include <cstdint>
#include <cstdlib>

#include "base/writer.h"
#include "crypto/digest.h"
#include "crypto/sealed_box.h"
#include "issuer/challenge.h"

namespace {

using namespace lodekey;
using issuer::ChallengeSealer;

constexpr const char* kTrustDomain = "example.org";
constexpr Time kNow{Duration(1000)};  // within the life of the seeds

void Require(bool ok) {
  if (!ok) std::abort();
}

const crypto::Secret& Key() {
  static const crypto::Secret key = crypto::Secret::Copy(Bytes(crypto::kSealKeySize, 7));
  return key;
}

// What docs/protocol.md says is authenticated besides: without it nothing opens.
Bytes AssociatedData() {
  const auto key_id = crypto::Sha256({AsBytes("lodekey/challenge-key-id/v1"), Key().Reveal()});
  Writer writer;
  writer.Sized32("lodekey/challenge")
      .U8(3)
      .Sized32(kTrustDomain)
      .Sized32(ByteView(key_id).first(8));
  return std::move(writer).Finish();
}

// What was opened is what would be sealed.
void RequireSame(const ChallengeSealer& sealer, const issuer::Challenge& challenge) {
  const auto sealed = sealer.Seal(challenge);
  Require(sealed.has_value());
  const auto again = sealer.Open(*sealed, kNow);
  Require(again.has_value());
  Require(again->id == challenge.id && again->nonce == challenge.nonce &&
          again->node_id == challenge.node_id && again->node_revision == challenge.node_revision &&
          again->made == challenge.made && again->expires == challenge.expires &&
          again->assurance == challenge.assurance &&
          again->manufacturer == challenge.manufacturer &&
          again->ek_public == challenge.ek_public && again->ak_public == challenge.ak_public &&
          again->node_key_public == challenge.node_key_public &&
          Equal(again->activation_secret.Reveal(), challenge.activation_secret.Reveal()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ChallengeSealer sealer(Key().Clone(), kTrustDomain);
  static const Bytes associated = AssociatedData();
  const ByteView input(data, size);
  if (const auto opened = sealer.Open(input, kNow)) RequireSame(sealer, *opened);

  const auto sealed = crypto::Seal(Key(), associated, input);
  Require(sealed.has_value());
  const auto opened = sealer.Open(*sealed, kNow);
  if (opened) RequireSame(sealer, *opened);
  return 0;
}
