#include "crypto/der.h"

#include <fmt/format.h>

namespace lodekey::crypto {
namespace {

constexpr uint8_t kLongForm = 0x80;

std::unexpected<Error> Bad(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text));
}

}  // namespace

void AppendDerHeader(Writer& out, uint8_t tag, size_t length) {
  out.U8(tag);
  if (length < 0x80) {
    out.U8(static_cast<uint8_t>(length));
  } else if (length < 0x100) {
    out.U8(kLongForm | 1).U8(static_cast<uint8_t>(length));
  } else {
    out.U8(kLongForm | 2).U16Be(static_cast<uint16_t>(length));
  }
}

Result<ByteView> TakeDerElement(Reader& in, uint8_t tag) {
  ASSIGN_OR_RETURN(const uint8_t found, in.U8(), "element");
  if (found != tag) return Bad(fmt::format("the tag {:#04x}, not {:#04x}", found, tag));
  ASSIGN_OR_RETURN(const uint8_t first, in.U8(), "element");
  if (first < kLongForm) return in.Take(first);
  if (first == (kLongForm | 1)) {
    ASSIGN_OR_RETURN(const uint8_t length, in.U8(), "element");
    if (length < 0x80) return Bad("a length in more octets than it needs");
    return in.Take(length);
  }
  if (first != (kLongForm | 2)) return Bad("an indefinite or overlong length");
  ASSIGN_OR_RETURN(const uint16_t length, in.U16Be(), "element");
  if (length < 0x100) return Bad("a length in more octets than it needs");
  return in.Take(length);
}

}  // namespace lodekey::crypto
