// AES in CFB mode with a zero IV, as TPM 2.0 wraps credentials (part 1, 24.4). Not for other use:
// it authenticates nothing by itself.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::crypto {

// `key` has 16, 24 or 32 bytes.
Result<Bytes> AesCfbEncrypt(ByteView key, ByteView plaintext);
Result<Bytes> AesCfbDecrypt(ByteView key, ByteView ciphertext);

}  // namespace lodekey::crypto
