#include "platform/config_checks.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hex.h"
#include "platform/escape.h"
#include "platform/host_port.h"

namespace lodekey::platform {
namespace {

constexpr size_t kLongestTrustDomain = 255;  // SPIFFE-ID section 2.1
constexpr size_t kPinBytes = 32;
constexpr std::string_view kPinPrefix = "sha256:";

}  // namespace

Result<void> CheckTrustDomain(std::string_view text) {
  const bool allowed =
      !text.empty() && text.size() <= kLongestTrustDomain && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
      });
  if (allowed) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("must be a SPIFFE trust domain (1 to {} lower-case letters, digits, '.', "
                          "'-' and '_'), not '{}'",
                          kLongestTrustDomain, EscapeControl(text.substr(0, kLongestTrustDomain))));
}

Result<void> CheckIssuerAddress(std::string_view text) {
  const auto address = ParseHostPort(text, kIssuerPort);
  if (!address) return std::unexpected(address.error());
  return {};
}

Result<Bytes> ParsePin(std::string_view text) {
  if (text.starts_with(kPinPrefix)) {
    auto digest = ParseHex(text.substr(kPinPrefix.size()), kPinBytes);
    if (digest && digest->size() == kPinBytes) return digest;
  }
  return Fail(Code::kInvalidArgument,
              fmt::format("must be sha256: and 64 hexadecimal digits, not '{}'",
                          EscapeControl(text.substr(0, 80))));
}

Result<void> CheckPin(std::string_view text) {
  const auto pin = ParsePin(text);
  if (!pin) return std::unexpected(pin.error());
  return {};
}

}  // namespace lodekey::platform
