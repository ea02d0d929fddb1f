// A policy as it is sent and stored: what is read was checked, and is written the same again.
#include <cstdint>
#include <cstdlib>

#include "issuer/policy_bundle.h"

namespace {

void Require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lodekey;
  using namespace lodekey::issuer;
  const auto bundle = DecodeBundle(AsText(ByteView(data, size)));
  if (!bundle) {
    Require(bundle.error().Name() == "policy-invalid");
    return 0;
  }
  Require(CheckBundle(*bundle).has_value());
  const std::string encoded = EncodeBundle(*bundle);
  const auto again = DecodeBundle(encoded);
  Require(again.has_value() && *again == *bundle && EncodeBundle(*again) == encoded);
  Require(attest::BundleDigest(*again) == attest::BundleDigest(*bundle));
  return 0;
}
