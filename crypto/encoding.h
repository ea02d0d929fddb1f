// Base64 and PEM.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::crypto {

std::string ToBase64(ByteView bytes);  // RFC 4648 with padding, one line
Result<Bytes> ParseBase64(std::string_view text, size_t max_bytes);

std::string ToBase64Url(ByteView bytes);  // RFC 4648, section 5, without padding (RFC 7515)
Result<Bytes> ParseBase64Url(std::string_view text, size_t max_bytes);

std::string ToPem(std::string_view label, ByteView der);
// Every block with `label`, in order; other labels and text between blocks are skipped. At most
// `max_blocks`, 64 KiB each; a block that does not end or decode is an error.
Result<std::vector<Bytes>> ParsePem(std::string_view text, std::string_view label,
                                    size_t max_blocks);

}  // namespace lodekey::crypto
