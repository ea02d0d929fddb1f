// A signed hash chain of text records, one a line: the audit log. Pure: no file, no clock.
//
// A line is, byte for byte, with no white space between tokens and ended by one LF:
//   {"seq":N,"prev":"<64 hex>","record":<the record's JSON>,"hash":"<64 hex>","sig":"<88 base64>"}
// hash = SHA-256("lodekey/audit/v1" ‖ 64-bit big-endian seq ‖ prev as 32 bytes ‖ the record's bytes
// as written); sig is the Ed25519 signature over those 32 bytes of hash. The first line has seq 1
// and prev of zeros.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"

namespace lodekey::crypto {

struct ChainHead {
  uint64_t seq = 0;     // of the last line; 0: none yet
  Sha256Digest hash{};  // zeros before the first line
  bool operator==(const ChainHead&) const = default;
};

struct ChainLine {
  ChainHead head;  // after this line
  Sha256Digest prev{};
  std::string record;  // the JSON text
};

inline constexpr size_t kMaxChainLine = 65536;

// The next line (with its LF). `record` must be one JSON object without line breaks; not checked
// here.
std::string FormatChainLine(const ChainHead& previous, std::string_view record,
                            const Ed25519Key& key, ChainHead& next);

// Reads one line without its LF and checks its own hash and signature, not its place in the chain.
// kUntrusted when hash or signature is wrong; kInvalidArgument when it is not such a line.
Result<ChainLine> ParseChainLine(std::string_view line, const Ed25519PublicKey& key);

// Feeds lines in order and stops at the first that was changed, dropped, reordered or added.
class ChainVerifier {
 public:
  // `after`: the head before the first line that is fed; without it, that of an empty chain.
  explicit ChainVerifier(const Ed25519PublicKey& key, const ChainHead& after = {})
      : key_(key), head_(after) {}
  // The text says which line (1-based), which sequence number was expected and what was found.
  Result<ChainLine> Next(std::string_view line);
  const ChainHead& head() const { return head_; }

 private:
  Ed25519PublicKey key_;
  ChainHead head_;
};

}  // namespace lodekey::crypto
