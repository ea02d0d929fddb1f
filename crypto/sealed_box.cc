#include "crypto/sealed_box.h"

#include <algorithm>

#include <fmt/format.h>

#include "crypto/sodium.h"

namespace lodekey::crypto {
namespace {

constexpr size_t kNonceSize = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
static_assert(kSealKeySize == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(kSealOverhead == kNonceSize + crypto_aead_xchacha20poly1305_ietf_ABYTES);

Result<void> CheckKey(const Secret& key) {
  if (key.size() == kSealKeySize) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("a sealing key has {} bytes, not {}", kSealKeySize, key.size()));
}

}  // namespace

Result<Bytes> Seal(const Secret& key, ByteView associated, ByteView plaintext) {
  RETURN_IF_ERROR(CheckKey(key), "seal");
  const Bytes nonce = RandomBytes(kNonceSize);
  Bytes box(plaintext.size() + kSealOverhead);
  std::copy(nonce.begin(), nonce.end(), box.begin());
  crypto_aead_xchacha20poly1305_ietf_encrypt(box.data() + kNonceSize, nullptr, plaintext.data(),
                                             plaintext.size(), associated.data(), associated.size(),
                                             nullptr, nonce.data(), key.Reveal().data());
  return box;
}

Result<Secret> Unseal(const Secret& key, ByteView associated, ByteView box) {
  RETURN_IF_ERROR(CheckKey(key), "unseal");
  RequireSodium();
  if (box.size() < kSealOverhead) return Fail(Code::kUntrusted, "the sealed state is too short");
  const ByteView sealed = box.subspan(kNonceSize);
  Bytes plaintext(box.size() - kSealOverhead);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          plaintext.data(), nullptr, nullptr, sealed.data(), sealed.size(), associated.data(),
          associated.size(), box.data(), key.Reveal().data()) != 0) {
    return Fail(Code::kUntrusted, "the sealed state was changed, or is not ours for this purpose");
  }
  return Secret::Take(std::move(plaintext));
}

}  // namespace lodekey::crypto
