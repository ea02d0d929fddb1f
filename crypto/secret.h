// Bytes that must not leak: in locked, guarded memory of libsodium, wiped on destruction, excluded
// from core dumps, not copyable by accident, not printable.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::crypto {

class Secret {
 public:
  Secret() = default;  // empty
  static Secret Random(size_t size);
  // Copies; the caller wipes the original (WipeBytes) where it owns it.
  static Secret Copy(ByteView bytes);
  // Copies and wipes what was given: Take(std::move(bytes)).
  static Secret Take(Bytes bytes);

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  Secret Clone() const { return Copy(Reveal()); }

  // The bytes. Every use of a secret's content reads `Reveal`, so that all can be found.
  ByteView Reveal() const { return {data_, size_}; }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Constant time in the content; the lengths may leak. An empty secret matches nothing, so that a
  // value that was never set cannot be guessed by sending none.
  bool Matches(ByteView other) const;

 private:
  explicit Secret(size_t size);

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Overwrites and empties `bytes` in a way the compiler keeps.
void WipeBytes(Bytes& bytes);

// Initialises libsodium; call once before threads. Fails with kInternal when it cannot.
Result<void> InitCrypto();

// Random bytes from the kernel's generator.
Bytes RandomBytes(size_t size);

}  // namespace lodekey::crypto
