// lodekey.node.v1.Evidence as it comes off the wire: decoded within its bounds, and encoded again.
#include <cstdint>
#include <cstdlib>

#include <google/protobuf/stubs/logging.h>

#include "attest/codec.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace {

using namespace lodekey;

void Require(bool ok) {
  if (!ok) std::abort();
}

void CheckBounds(const attest::Evidence& evidence) {
  Require(evidence.quote.size() <= 1024 && evidence.quote_signature.size() <= 1024);
  Require(evidence.boot_log_digest.size() <= 64);
  Require(!evidence.boot_log || evidence.boot_log->size() <= attest::kMaxBootLogSize);
  Require(!evidence.ledger || evidence.ledger->size() <= attest::kMaxLedgerSize);
  Require(evidence.ima_chunk.size() <= attest::kMaxImaChunk);
  if (!evidence.pcrs) return;
  for (const auto& [pcr, value] : evidence.pcrs->values) {
    Require(pcr < tpm::kPcrCount && value.size() == crypto::DigestSize(evidence.pcrs->alg));
  }
}

void CheckSame(const attest::Evidence& a, const attest::Evidence& b) {
  Require(a.quote == b.quote && a.quote_signature == b.quote_signature && a.pcrs == b.pcrs);
  Require(a.boot_log_digest == b.boot_log_digest && a.boot_log == b.boot_log);
  Require(a.ledger_pcr == b.ledger_pcr && a.ledger == b.ledger);
  Require(a.ima_offset == b.ima_offset && a.ima_chunk == b.ima_chunk);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The library tells stderr of each string that is no UTF-8.
  static const auto kQuiet = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(kQuiet);
  node::v1::Evidence message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto evidence = attest::DecodeEvidence(message);
  if (!evidence) {
    Require(evidence.error().name == "evidence-malformed");
    return 0;
  }
  CheckBounds(*evidence);
  const auto again = attest::DecodeEvidence(attest::EncodeEvidence(*evidence));
  Require(again.has_value());
  CheckSame(*again, *evidence);
  return 0;
}
