// What a policy worker answers: it ran somebody's policy, and is not to be believed.
#include <cstdint>
#include <cstdlib>

#include "issuer/policy_wire.h"

namespace {

using namespace lodekey;

void Require(bool ok) {
  if (!ok) std::abort();
}

// What is read is written as it was.
template <class T>
void RoundTrip(const Result<T>& read, ByteView bytes) {
  if (read) Require(Equal(issuer::Encode(*read), bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      if (const auto answer = issuer::DecodeAnswer(bytes))
        Require(answer->text.size() <= issuer::kMaxPolicyOutput);
      RoundTrip(issuer::DecodeAnswer(bytes), bytes);
      break;
    case 1: RoundTrip(issuer::DecodeQuestion(bytes), bytes); break;
    default:
      // Of names that come twice the last remains.
      if (const auto load = issuer::DecodeLoad(bytes))
        Require(issuer::DecodeLoad(issuer::Encode(*load)).has_value());
  }
  return 0;
}
