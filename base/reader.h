// The bounded reader that every parser of foreign bytes uses. It never reads past its view, never
// copies, and says at which offset the input ended.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey {

class Reader {
 public:
  // `what` names the input in error texts ("boot log"); both must outlive the reader.
  Reader(ByteView input, std::string_view what) : input_(input), what_(what) {}

  Result<uint8_t> U8();
  Result<uint16_t> U16Be();
  Result<uint32_t> U32Be();
  Result<uint64_t> U64Be();
  Result<uint16_t> U16Le();
  Result<uint32_t> U32Le();
  Result<uint64_t> U64Le();

  // The next `size` bytes as a view into the input.
  Result<ByteView> Take(size_t size);

  // A big-endian length (16 or 32 bits) and as many bytes; a length above `max` fails before
  // anything is read.
  Result<ByteView> Sized16(size_t max);
  Result<ByteView> Sized32(size_t max);

  // Fails when input is left: for structures that must fill their buffer.
  Result<void> ExpectEnd() const;

  size_t offset() const { return offset_; }
  size_t remaining() const { return input_.size() - offset_; }
  bool AtEnd() const { return remaining() == 0; }

 private:
  template <class T>
  Result<T> Integer(bool big_endian);

  ByteView input_;
  std::string_view what_;
  size_t offset_ = 0;
};

}  // namespace lodekey
