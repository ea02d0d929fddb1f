// Protobuf makes an object of every field it parses: two bytes on the wire can become a hundred in
// memory. So the fields are counted in the bytes, before anything is parsed.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/result.h"

namespace google::protobuf {
class Descriptor;
}

namespace lodekey::issuer {

inline constexpr size_t kMaxMessageDepth = 8;

// Walks `message`, a serialised `type`, with the messages within it, and counts fields, known or
// not; of a packed field every byte. Allocates for kMaxMessageDepth levels and no more.
// kInvalidArgument: "request-too-many-fields" beyond `max_fields`, "request-too-deep" beyond
// kMaxMessageDepth, "request-malformed" when it is not in the wire format (groups are not, in
// proto3).
Result<void> CheckFieldCount(ByteView message, const google::protobuf::Descriptor& type,
                             size_t max_fields);

}  // namespace lodekey::issuer
