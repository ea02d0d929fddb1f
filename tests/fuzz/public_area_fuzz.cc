// TPM2B_PUBLIC, and what is done with a key that a stranger shows: matched with the templates, and
// given a credential.
#include <cstdlib>

#include "tpm/make_credential.h"
#include "tpm/template.h"

using lodekey::ByteView;
using lodekey::tpm::PublicArea;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(data, size);
  const auto area = PublicArea::Parse(input);
  if (!area) {
    if (area.error().name.empty()) std::abort();  // every refusal has a name
    return 0;
  }
  // One key, one encoding, one Name.
  if (!lodekey::Equal(area->tpm2b(), input)) std::abort();
  const auto again = PublicArea::FromTpmt(area->area());
  if (!again || again->name() != area->name()) std::abort();
  if (lodekey::tpm::MatchEkTemplate(*area) != nullptr) {
    const auto secret = lodekey::crypto::Secret::Random(32);
    if (!lodekey::tpm::MakeCredential(*area, area->name(), secret)) std::abort();
  }
  return 0;
}
