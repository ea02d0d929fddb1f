// UTF-8 texts.
#pragma once

#include <cstddef>
#include <string_view>

namespace lodekey {

// The beginning of a text, at most `most` bytes of it, and no character of several bytes in half.
constexpr std::string_view ClipUtf8(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace lodekey
