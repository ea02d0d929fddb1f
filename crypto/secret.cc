#include "crypto/secret.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "crypto/sodium.h"

namespace lodekey::crypto {
namespace {

bool SodiumReady() {
  static const bool ready = sodium_init() >= 0;
  return ready;
}

}  // namespace

void RequireSodium() {
  if (!SodiumReady()) std::abort();
}

Result<void> InitCrypto() {
  if (SodiumReady()) return {};
  return Fail(Code::kInternal, "libsodium cannot be initialised");
}

Secret::Secret(size_t size) : size_(size) {
  if (size == 0) return;
  RequireSodium();
  data_ = static_cast<uint8_t*>(sodium_malloc(size));
  if (data_ == nullptr) std::abort();  // as operator new would: there is no memory to go on with
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  Secret old(std::move(other));  // what was here is wiped now, not when `other` ends
  return *this;
}

Secret::~Secret() { sodium_free(data_); }

Secret Secret::Random(size_t size) {
  Secret secret(size);
  if (size > 0) randombytes_buf(secret.data_, size);
  return secret;
}

Secret Secret::Copy(ByteView bytes) {
  Secret secret(bytes.size());
  std::copy(bytes.begin(), bytes.end(), secret.data_);
  return secret;
}

Secret Secret::Take(Bytes bytes) {
  Secret secret = Copy(bytes);
  WipeBytes(bytes);
  return secret;
}

bool Secret::Matches(ByteView other) const {
  if (size_ == 0 || other.size() != size_) return false;
  return sodium_memcmp(data_, other.data(), size_) == 0;
}

void WipeBytes(Bytes& bytes) {
  if (!bytes.empty()) sodium_memzero(bytes.data(), bytes.size());
  bytes.clear();
}

Bytes RandomBytes(size_t size) {
  RequireSodium();
  Bytes bytes(size);
  if (size > 0) randombytes_buf(bytes.data(), size);
  return bytes;
}

}  // namespace lodekey::crypto
