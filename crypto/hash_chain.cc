#include "crypto/hash_chain.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/hex.h"
#include "base/writer.h"
#include "crypto/encoding.h"

namespace lodekey::crypto {
namespace {

constexpr std::string_view kPurpose = "lodekey/audit/v1";
constexpr std::string_view kSeq = "{\"seq\":";
constexpr std::string_view kPrev = ",\"prev\":\"";
constexpr std::string_view kRecord = "\",\"record\":";
constexpr std::string_view kHash = ",\"hash\":\"";
constexpr std::string_view kSig = "\",\"sig\":\"";
constexpr std::string_view kEnd = "\"}";
constexpr size_t kHashText = 64;
constexpr size_t kSigText = 88;
// What follows the record has one length: the record ends there, whatever it contains.
constexpr size_t kTail = kHash.size() + kHashText + kSig.size() + kSigText + kEnd.size();

struct Tail {
  Sha256Digest hash{};
  Ed25519Signature signature{};
};

std::unexpected<Error> Malformed(std::string_view what) {
  return Fail(Code::kInvalidArgument, fmt::format("not an audit line: {}", what),
              {.name = "audit-line-malformed"});
}

std::unexpected<Error> Changed(std::string text) {
  return Fail(Code::kUntrusted, std::move(text), {.name = "audit-line-changed"});
}

Sha256Digest LineHash(uint64_t seq, const Sha256Digest& prev, std::string_view record) {
  Writer number;
  number.U64Be(seq);
  return Sha256({AsBytes(kPurpose), number.view(), prev, AsBytes(record)});
}

bool Skip(std::string_view& text, std::string_view token) {
  if (!text.starts_with(token)) return false;
  text.remove_prefix(token.size());
  return true;
}

// A number as to_string writes it: no sign, no leading zero.
bool TakeSeq(std::string_view& text, uint64_t& seq) {
  if (text.empty() || text.front() < '1' || text.front() > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seq);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool TakeHash(std::string_view& text, Sha256Digest& hash) {
  const std::string_view digits = text.substr(0, kHashText);
  const Result<Bytes> bytes = ParseHex(digits);
  // Lower case alone, as ToHex writes it: one line has one text.
  if (!bytes || bytes->size() != hash.size() || ToHex(*bytes) != digits) return false;
  std::copy(bytes->begin(), bytes->end(), hash.begin());
  text.remove_prefix(kHashText);
  return true;
}

bool TakeSignature(std::string_view& text, Ed25519Signature& signature) {
  const Result<Bytes> bytes = ParseBase64(text.substr(0, kSigText), signature.size());
  if (!bytes || bytes->size() != signature.size()) return false;
  std::copy(bytes->begin(), bytes->end(), signature.begin());
  text.remove_prefix(kSigText);
  return true;
}

bool TakeTail(std::string_view text, Tail& tail) {
  return Skip(text, kHash) && TakeHash(text, tail.hash) && Skip(text, kSig) &&
         TakeSignature(text, tail.signature) && text == kEnd;
}

}  // namespace

std::string FormatChainLine(const ChainHead& previous, std::string_view record,
                            const Ed25519Key& key, ChainHead& next) {
  const uint64_t seq = previous.seq + 1;
  const Sha256Digest hash = LineHash(seq, previous.hash, record);
  std::string line =
      fmt::format("{}{}{}{}{}{}{}{}{}{}{}\n", kSeq, seq, kPrev, ToHex(previous.hash), kRecord,
                  record, kHash, ToHex(hash), kSig, ToBase64(key.Sign(hash)), kEnd);
  next = {.seq = seq, .hash = hash};
  return line;
}

Result<ChainLine> ParseChainLine(std::string_view line, const Ed25519PublicKey& key) {
  if (line.size() > kMaxChainLine) return Malformed("it is too long");
  if (line.find_first_of("\r\n") != std::string_view::npos) return Malformed("it has a line break");
  std::string_view rest = line;
  ChainLine parsed;
  if (!Skip(rest, kSeq) || !TakeSeq(rest, parsed.head.seq)) return Malformed("no sequence number");
  if (!Skip(rest, kPrev) || !TakeHash(rest, parsed.prev)) return Malformed("no previous hash");
  if (!Skip(rest, kRecord) || rest.size() <= kTail) return Malformed("no record");
  const std::string_view record = rest.substr(0, rest.size() - kTail);
  Tail tail;
  if (!TakeTail(rest.substr(record.size()), tail)) return Malformed("no hash and signature");
  if (LineHash(parsed.head.seq, parsed.prev, record) != tail.hash) {
    return Changed(
        fmt::format("the hash of record {} does not match its content", parsed.head.seq));
  }
  if (!VerifyEd25519(key, tail.hash, tail.signature)) {
    return Changed(fmt::format("the signature of record {} does not verify", parsed.head.seq));
  }
  parsed.head.hash = tail.hash;
  parsed.record = record;
  return parsed;
}

Result<ChainLine> ChainVerifier::Next(std::string_view line) {
  const uint64_t expected = head_.seq + 1;
  const std::string where = fmt::format("line {}, where record {} is due", expected, expected);
  ASSIGN_OR_RETURN(ChainLine parsed, ParseChainLine(line, key_), where);
  const uint64_t found = parsed.head.seq;
  if (found > expected) {
    return Fail(Code::kUntrusted,
                fmt::format("{}: found record {}, {} missing", where, found, found - expected),
                {.name = "audit-line-missing"});
  }
  if (found < expected) {
    return Fail(Code::kUntrusted, fmt::format("{}: found record {} again or late", where, found),
                {.name = "audit-line-reordered"});
  }
  if (parsed.prev != head_.hash) {
    return Changed(fmt::format("{}: found record {} of another history", where, found));
  }
  head_ = parsed.head;
  return parsed;
}

}  // namespace lodekey::crypto
