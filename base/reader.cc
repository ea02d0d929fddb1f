#include "base/reader.h"

#include <fmt/format.h>

namespace lodekey {

Result<ByteView> Reader::Take(size_t size) {
  if (size > remaining()) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{} ends at byte {}: {} more bytes expected, {} left", what_,
                            input_.size(), size, remaining()));
  }
  const ByteView view = input_.subspan(offset_, size);
  offset_ += size;
  return view;
}

template <class T>
Result<T> Reader::Integer(bool big_endian) {
  ASSIGN_OR_RETURN(const ByteView bytes, Take(sizeof(T)), "read an integer");
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    const size_t index = big_endian ? i : sizeof(T) - 1 - i;
    value = value << 8 | bytes[index];
  }
  return static_cast<T>(value);
}

Result<uint8_t> Reader::U8() { return Integer<uint8_t>(true); }
Result<uint16_t> Reader::U16Be() { return Integer<uint16_t>(true); }
Result<uint32_t> Reader::U32Be() { return Integer<uint32_t>(true); }
Result<uint64_t> Reader::U64Be() { return Integer<uint64_t>(true); }
Result<uint16_t> Reader::U16Le() { return Integer<uint16_t>(false); }
Result<uint32_t> Reader::U32Le() { return Integer<uint32_t>(false); }
Result<uint64_t> Reader::U64Le() { return Integer<uint64_t>(false); }

namespace {

Result<void> CheckLength(size_t length, size_t max, std::string_view what, size_t offset) {
  if (length <= max) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("{} has a length of {} at byte {}, at most {} is allowed", what, length,
                          offset, max));
}

}  // namespace

Result<ByteView> Reader::Sized16(size_t max) {
  const size_t start = offset_;
  ASSIGN_OR_RETURN(const size_t length, U16Be(), "read a length");
  RETURN_IF_ERROR(CheckLength(length, max, what_, start), "read a sized field");
  return Take(length);
}

Result<ByteView> Reader::Sized32(size_t max) {
  const size_t start = offset_;
  ASSIGN_OR_RETURN(const size_t length, U32Be(), "read a length");
  RETURN_IF_ERROR(CheckLength(length, max, what_, start), "read a sized field");
  return Take(length);
}

Result<void> Reader::ExpectEnd() const {
  if (AtEnd()) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("{} has {} bytes after its end at byte {}", what_, remaining(), offset_));
}

}  // namespace lodekey
