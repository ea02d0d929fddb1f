// TPM2B_PUBLIC followed by TPMT_SIGNATURE: a signature over a fixed message by whatever key the
// input names.
#include <cstdlib>

#include "base/reader.h"
#include "tpm/signature.h"

using lodekey::ByteView;
using lodekey::Reader;
using lodekey::tpm::PublicArea;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(data, size);
  Reader reader(input, "input");
  if (!reader.Sized16(PublicArea::kMaxSize)) return 0;
  const auto key = PublicArea::Parse(input.first(reader.offset()));
  if (!key) return 0;
  const auto message = lodekey::AsBytes("a message that no seed signs");
  const auto verified =
      lodekey::tpm::VerifyAttestationSignature(*key, message, input.subspan(reader.offset()));
  if (!verified && verified.error().name.empty()) std::abort();  // every refusal has a name
  return 0;
}
