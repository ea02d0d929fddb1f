#include "cli/audit_verify.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/hex.h"
#include "cli/audit_range.h"
#include "cli/exit.h"
#include "platform/escape.h"
#include "platform/file.h"
#include "platform/line_reader.h"

namespace lodekey::cli {
namespace {

using crypto::ChainHead;

constexpr size_t kHashDigits = 64;

std::unexpected<Error> FailForked(const ChainHead& found, const ChainHead& known) {
  return Fail(Code::kUntrusted,
              fmt::format("record {} has the hash {}, the issuer showed {} before", found.seq,
                          ToHex(found.hash), ToHex(known.hash)),
              {.name = "audit-forked",
               .advice = "The log was rewritten by somebody who has its key: treat the issuer as "
                         "compromised and compare with a copy."});
}

Result<void> CompareWith(const std::vector<ChainHead>& known, const ChainHead& found) {
  for (const ChainHead& head : known) {
    if (head.seq == found.seq && head.hash != found.hash) return FailForked(found, head);
  }
  return {};
}

Result<void> CheckReached(const std::vector<ChainHead>& known, const ChainHead& end) {
  const auto last = std::ranges::max_element(known, {}, &ChainHead::seq);
  if (last == known.end() || last->seq <= end.seq) return {};
  return Fail(Code::kUntrusted,
              fmt::format("the log ends with record {}, but the issuer has written {}: {} missing",
                          end.seq, last->seq, last->seq - end.seq),
              {.name = "audit-truncated",
               .advice = "Records were cut off the end: compare with a copy of the log."});
}

Error Advised(Error error) {
  if (error.advice.empty() && error.Name().starts_with("audit-")) {
    error.advice = "The log is not as the issuer wrote it: keep it, and compare with a copy.";
  }
  return error;
}

}  // namespace

Result<ChainHead> ParseHead(std::string_view text) {
  const auto refuse = [&] {
    return FailUsage(fmt::format("'{}' is not the head of an audit log",
                                 platform::EscapeControl(text.substr(0, 128))),
                     "Give it as 'lodekey status' prints it: SEQ:HASH");
  };
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return refuse();
  ChainHead head;
  const auto [end, error] = std::from_chars(text.data(), text.data() + colon, head.seq);
  if (error != std::errc() || end != text.data() + colon || head.seq == 0) return refuse();
  const std::string_view digits = text.substr(colon + 1);
  const auto hash = ParseHex(digits, head.hash.size());
  if (digits.size() != kHashDigits || !hash) return refuse();
  std::ranges::copy(*hash, head.hash.begin());
  return head;
}

std::string FormatHead(const ChainHead& head) {
  return fmt::format("{}:{}", head.seq, ToHex(head.hash));
}

Result<crypto::Ed25519PublicKey> ParseAuditKey(std::string_view text) {
  crypto::Ed25519PublicKey key = {};
  const auto bytes = ParseHex(text, key.size());
  if (!bytes || bytes->size() != key.size()) {
    return FailUsage("--key: not 64 hexadecimal digits",
                     "Give the audit key that 'lodekey-issuer init' printed.");
  }
  std::ranges::copy(*bytes, key.begin());
  return key;
}

Result<VerifiedLog> VerifyAuditLog(const std::string& path, const crypto::Ed25519PublicKey& key,
                                   const std::vector<ChainHead>& known) {
  const auto fd = platform::OpenFile(path);
  if (!fd) return std::unexpected(fd.error());
  platform::LineReader reader(fd->get(), path, crypto::kMaxChainLine);
  crypto::ChainVerifier verifier(key);
  std::optional<AuditRange> range;
  bool first = true;
  for (std::string line;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(line), "audit log");
    if (!more) break;
    if (reader.torn()) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("the line after record {} has no end", verifier.head().seq),
                  {.name = "audit-line-malformed",
                   .advice = "If the issuer was writing at this moment, try again; if it crashed, "
                             "start it: it mends its log."});
    }
    if (std::exchange(first, false)) {
      ASSIGN_OR_RETURN(range, ParseAuditRange(line), "audit log");
      if (range) {
        verifier = crypto::ChainVerifier(key, range->after);
        continue;
      }
    }
    const auto next = verifier.Next(line);
    if (!next) return std::unexpected(Advised(next.error()));
    const auto same = CompareWith(known, next->head);
    if (!same) return std::unexpected(same.error());
    if (!range) continue;
    const auto own = CompareWith({range->last}, next->head);
    if (!own) return std::unexpected(own.error());
  }
  const auto reached = CheckReached(range ? std::vector{range->last} : known, verifier.head());
  if (!reached) return std::unexpected(reached.error());
  return VerifiedLog{.after = range ? range->after : ChainHead(), .head = verifier.head()};
}

}  // namespace lodekey::cli
