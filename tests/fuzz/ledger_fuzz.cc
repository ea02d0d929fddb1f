// A ledger: read, written again, replayed in each bank.
#include <cstdint>
#include <cstdlib>

#include "attest/ledger.h"

namespace {

using namespace lodekey;
using crypto::HashAlg;

void Require(bool ok) {
  if (!ok) std::abort();
}

void Replay(const attest::Ledger& ledger, HashAlg bank) {
  const auto value = attest::ReplayLedger(ledger, bank);
  Require(value ? value->size() == crypto::DigestSize(bank)
                : value.error().code == Code::kInvalidArgument);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(data, size);
  const auto ledger = attest::ParseLedger(input);
  if (!ledger) {
    Require(ledger.error().name == "ledger-malformed");
    return 0;
  }
  // One ledger, one encoding.
  Require(Equal(attest::EncodeLedger(*ledger), input));
  for (size_t i = 0; i < ledger->size(); ++i) {
    Require(ledger->at(i).number == i && ledger->at(i).pcr == ledger->front().pcr);
    Require(!ledger->at(i).digests.empty());
  }
  for (const HashAlg bank :
       {HashAlg::kSha1, HashAlg::kSha256, HashAlg::kSha384, HashAlg::kSha512}) {
    Replay(*ledger, bank);
  }
  return 0;
}
