#include "platform/config_checks.h"

#include <fmt/format.h>

#include "base/hex.h"
#include "platform/escape.h"
#include "platform/host_port.h"

namespace lodekey::platform {
namespace {

constexpr size_t kPinBytes = 32;
constexpr std::string_view kPinPrefix = "sha256:";

}  // namespace

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
