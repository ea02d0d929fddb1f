// Byte sequences. Everything that crosses a trust boundary is a ByteView until a parser has read
// it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lodekey {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

// Views the characters of `text` as bytes; `text` must outlive the view.
inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Views `bytes` as characters; `bytes` must outlive the view. Not necessarily UTF-8.
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes ToBytes(ByteView view) { return {view.begin(), view.end()}; }
inline Bytes ToBytes(std::string_view text) { return ToBytes(AsBytes(text)); }

// Not for secrets: returns at the first difference (crypto::Secret has a constant-time compare).
inline bool Equal(ByteView a, ByteView b) { return AsText(a) == AsText(b); }

// Lower-case hexadecimal, two digits a byte.
std::string ToHex(ByteView bytes);

}  // namespace lodekey
