#include "crypto/cipher.h"

#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/handle.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

// Far above any TPM structure; keeps lengths within OpenSSL's int.
constexpr size_t kMaxInput = 1 << 20;

const EVP_CIPHER* CipherFor(size_t key_size) {
  switch (key_size) {
    case 16: return EVP_aes_128_cfb128();
    case 24: return EVP_aes_192_cfb128();
    case 32: return EVP_aes_256_cfb128();
    default: return nullptr;
  }
}

Result<Bytes> AesCfb(ByteView key, ByteView input, bool encrypt) {
  const EVP_CIPHER* cipher = CipherFor(key.size());
  if (cipher == nullptr) {
    return Fail(Code::kInvalidArgument, fmt::format("no AES key has {} bytes", key.size()));
  }
  if (input.size() > kMaxInput) {
    return Fail(Code::kInvalidArgument, fmt::format("{} bytes are too many", input.size()));
  }
  if (input.empty()) return Bytes();
  CHandle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> context(EVP_CIPHER_CTX_new());
  const std::array<uint8_t, 16> iv{};
  RETURN_IF_ERROR(SslCheck(EVP_CipherInit_ex(context.get(), cipher, nullptr, key.data(), iv.data(),
                                             encrypt ? 1 : 0),
                           "set up AES-CFB"),
                  "AES-CFB");
  Bytes output(input.size());
  int written = 0;
  RETURN_IF_ERROR(SslCheck(EVP_CipherUpdate(context.get(), output.data(), &written, input.data(),
                                            static_cast<int>(input.size())),
                           "run AES-CFB"),
                  "AES-CFB");
  // A stream mode gives every byte at once and pads nothing: there is no final block to ask for.
  if (static_cast<size_t>(written) != input.size()) {
    return Fail(Code::kInternal, "AES-CFB changed the length");
  }
  return output;
}

}  // namespace

Result<Bytes> AesCfbEncrypt(ByteView key, ByteView plaintext) {
  return AesCfb(key, plaintext, true);
}

Result<Bytes> AesCfbDecrypt(ByteView key, ByteView ciphertext) {
  return AesCfb(key, ciphertext, false);
}

}  // namespace lodekey::crypto
