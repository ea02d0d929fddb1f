// DER (X.690): OpenSSL's i2d functions as one call that owns its memory, and the few headers that
// we write and read ourselves. Private to crypto.
#pragma once

#include <openssl/crypto.h>

#include "base/bytes.h"
#include "base/reader.h"
#include "base/result.h"
#include "base/writer.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {

inline constexpr uint8_t kDerInteger = 0x02;
inline constexpr uint8_t kDerBitString = 0x03;
inline constexpr uint8_t kDerOid = 0x06;
inline constexpr uint8_t kDerSequence = 0x30;

// Identifier and length of an element; `length` below 65536.
void AppendDerHeader(Writer& out, uint8_t tag, size_t length);
// The content of the next element, which must have `tag` and a length of at most two octets in its
// shortest form.
Result<ByteView> TakeDerElement(Reader& in, uint8_t tag);

// EncodeDer<i2d_PUBKEY>(key, "encode the public key").
template <auto kEncode, class T>
Result<Bytes> EncodeDer(T* object, std::string_view what) {
  unsigned char* out = nullptr;
  const int size = kEncode(object, &out);
  if (size <= 0) return FailSsl(Code::kInternal, what);
  Bytes der(out, out + size);
  OPENSSL_free(out);
  return der;
}

}  // namespace lodekey::crypto
