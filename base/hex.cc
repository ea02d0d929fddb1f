#include "base/hex.h"

#include <fmt/format.h>

namespace lodekey {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string ToHex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 0x0f]);
  }
  return text;
}

Result<Bytes> ParseHex(std::string_view text, size_t max_bytes) {
  if (text.size() % 2 != 0) {
    return Fail(Code::kInvalidArgument, "hexadecimal text has an odd number of digits");
  }
  if (text.size() / 2 > max_bytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("hexadecimal text is {} bytes long, at most {} are allowed",
                            text.size() / 2, max_bytes));
  }
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = DigitValue(text[i]);
    const int low = DigitValue(text[i + 1]);
    if (high < 0 || low < 0) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("not a hexadecimal digit at character {}", high < 0 ? i : i + 1));
    }
    bytes.push_back(static_cast<uint8_t>(high * 16 + low));
  }
  return bytes;
}

}  // namespace lodekey
