// A token in compact form: taken apart, put together again, and never good under a key that did not
// sign it.
#include <cstdint>
#include <cstdlib>

#include "crypto/encoding.h"
#include "crypto/jws.h"

namespace {

using namespace lodekey;

void Require(bool ok) {
  if (!ok) std::abort();
}

const crypto::PublicKey& SomeKey() {
  static const crypto::PublicKey key =
      crypto::PrivateKey::GenerateEc(crypto::Curve::kP256)->public_key();
  return key;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = AsText(ByteView(data, size));
  const auto jws = crypto::ParseJws(text);
  if (!jws) {
    Require(jws.error().Name() == "jws-malformed");
    return 0;
  }
  // One token, one text.
  Require(crypto::JwsSigningInput(jws->header, jws->payload) == jws->signing_input);
  Require(jws->signing_input + "." + crypto::ToBase64Url(jws->signature) == text);
  Require(!crypto::VerifyJws(SomeKey(), *jws));
  return 0;
}
