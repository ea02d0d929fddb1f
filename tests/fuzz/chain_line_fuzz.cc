// ParseChainLine on any text, and the way of any record through a line and back.
#include <cstdint>
#include <cstdlib>

#include "crypto/hash_chain.h"

namespace {

using namespace lodekey;
using namespace lodekey::crypto;

void Require(bool ok) {
  if (!ok) std::abort();
}

// The key that the seeds are signed with.
const Ed25519Key& Key() {
  static const auto key = Ed25519Key::FromSeed(Secret::Copy(Bytes(32, 7)));
  return *key;
}

void ReadAsLine(std::string_view text) {
  const auto parsed = ParseChainLine(text, Key().public_key());
  if (!parsed) return;
  // One line has one text: what was accepted is what would be written.
  const ChainHead previous = {.seq = parsed->head.seq - 1, .hash = parsed->prev};
  ChainHead head;
  Require(FormatChainLine(previous, parsed->record, Key(), head) == std::string(text) + "\n");
  Require(head == parsed->head);
}

void CarryAsRecord(std::string_view text) {
  ChainHead head;
  std::string line = FormatChainLine({}, text, Key(), head);
  line.pop_back();
  const auto parsed = ParseChainLine(line, Key().public_key());
  const bool fits = !text.empty() && text.find_first_of("\r\n") == std::string_view::npos &&
                    line.size() <= kMaxChainLine;
  Require(parsed.has_value() == fits);
  Require(!fits || (parsed->record == text && parsed->head == head));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = AsText({data, size});
  ReadAsLine(text);
  CarryAsRecord(text);
  ChainVerifier verifier(Key().public_key());
  static_cast<void>(verifier.Next(text));
  return 0;
}
