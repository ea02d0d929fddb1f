// Appends integers and fields to a byte buffer; the counterpart of Reader. Big-endian unless named
// otherwise.
#pragma once

#include "base/bytes.h"

namespace lodekey {

class Writer {
 public:
  Writer& U8(uint8_t value) { return Integer(value, 1); }
  Writer& U16Be(uint16_t value) { return Integer(value, 2); }
  Writer& U32Be(uint32_t value) { return Integer(value, 4); }
  Writer& U64Be(uint64_t value) { return Integer(value, 8); }
  Writer& Raw(ByteView bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& Raw(std::string_view text) { return Raw(AsBytes(text)); }

  // A 16-bit or 32-bit length and the bytes: LV in docs/protocol.md. The caller bounds the size.
  Writer& Sized16(ByteView bytes) { return U16Be(static_cast<uint16_t>(bytes.size())).Raw(bytes); }
  Writer& Sized32(ByteView bytes) { return U32Be(static_cast<uint32_t>(bytes.size())).Raw(bytes); }
  Writer& Sized32(std::string_view text) { return Sized32(AsBytes(text)); }

  ByteView view() const { return out_; }
  Bytes Finish() && { return std::move(out_); }

 private:
  Writer& Integer(uint64_t value, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
      out_.push_back(static_cast<uint8_t>(value >> shift));
    }
    return *this;
  }

  Bytes out_;
};

}  // namespace lodekey
