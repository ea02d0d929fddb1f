#include "crypto/encoding.h"

#include <algorithm>

#include <fmt/format.h>

#include "crypto/sodium.h"

namespace lodekey::crypto {
namespace {

constexpr size_t kMaxPemBlock = 65536;  // bytes of DER
constexpr size_t kPemLine = 64;         // RFC 7468, section 2

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The place of `marker` at the beginning of a line, from `from` on.
size_t FindLine(std::string_view text, std::string_view marker, size_t from) {
  size_t at = text.find(marker, from);
  while (at != std::string_view::npos && at != 0 && text[at - 1] != '\n') {
    at = text.find(marker, at + 1);
  }
  return at;
}

Result<Bytes> DecodePemBody(std::string_view body) {
  // White space is at most as much as text in any honest file; this also bounds the copy below.
  if (body.size() > 3 * kMaxPemBlock) {
    return Fail(Code::kInvalidArgument, "the block is too long");
  }
  std::string base64;
  base64.reserve(body.size());
  std::copy_if(body.begin(), body.end(), std::back_inserter(base64),
               [](char c) { return !IsSpace(c); });
  return ParseBase64(base64, kMaxPemBlock);
}

std::string Encode(ByteView bytes, int variant) {
  std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), variant);
  text.pop_back();  // libsodium writes and counts a terminating NUL
  return text;
}

Result<Bytes> Decode(std::string_view text, size_t max_bytes, int variant) {
  if (text.size() / 4 > max_bytes / 3 + 1) {
    return Fail(Code::kInvalidArgument, fmt::format("base64 text is above {} bytes", max_bytes));
  }
  if (text.empty()) return Bytes();
  Bytes bytes(text.size() / 4 * 3 + 3);
  size_t size = 0;
  const char* end = nullptr;
  const int rc = sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr,
                                   &size, &end, variant);
  if (rc != 0) size = 0;
  bytes.resize(size);
  // libsodium reads the octets 0xd0 and 0xd4 as '/' and '+': what was read must give the same text.
  if (rc != 0 || end != text.data() + text.size() || Encode(bytes, variant) != text) {
    return Fail(Code::kInvalidArgument, "not base64 in its one right form (RFC 4648)");
  }
  if (size > max_bytes) {
    return Fail(Code::kInvalidArgument, fmt::format("base64 text is above {} bytes", max_bytes));
  }
  return bytes;
}

}  // namespace

std::string ToBase64(ByteView bytes) { return Encode(bytes, sodium_base64_VARIANT_ORIGINAL); }

Result<Bytes> ParseBase64(std::string_view text, size_t max_bytes) {
  if (text.size() % 4 != 0) {
    return Fail(Code::kInvalidArgument, "base64 text is cut off or lacks its padding");
  }
  return Decode(text, max_bytes, sodium_base64_VARIANT_ORIGINAL);
}

std::string ToBase64Url(ByteView bytes) {
  return Encode(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

Result<Bytes> ParseBase64Url(std::string_view text, size_t max_bytes) {
  return Decode(text, max_bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

std::string ToPem(std::string_view label, ByteView der) {
  const std::string base64 = ToBase64(der);
  std::string pem = fmt::format("-----BEGIN {}-----\n", label);
  for (size_t at = 0; at < base64.size(); at += kPemLine) {
    pem.append(base64, at, kPemLine).push_back('\n');
  }
  pem += fmt::format("-----END {}-----\n", label);
  return pem;
}

Result<std::vector<Bytes>> ParsePem(std::string_view text, std::string_view label,
                                    size_t max_blocks) {
  const std::string begin = fmt::format("-----BEGIN {}-----", label);
  const std::string end = fmt::format("-----END {}-----", label);
  std::vector<Bytes> blocks;
  size_t at = FindLine(text, begin, 0);
  while (at != std::string_view::npos) {
    if (blocks.size() == max_blocks) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("more than {} PEM blocks of {}", max_blocks, label));
    }
    const size_t body = at + begin.size();
    const size_t stop = FindLine(text, end, body);
    if (stop == std::string_view::npos) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("PEM block {} of {} does not end", blocks.size() + 1, label));
    }
    ASSIGN_OR_RETURN(Bytes block, DecodePemBody(text.substr(body, stop - body)),
                     fmt::format("PEM block {} of {}", blocks.size() + 1, label));
    blocks.push_back(std::move(block));
    at = FindLine(text, begin, stop + end.size());
  }
  return blocks;
}

}  // namespace lodekey::crypto
