// A file that exists in memory alone and that nobody who gets its descriptor can change: for
// secrets that must outlive the process, but not the boot (memfd_create(2), fcntl(2) "File
// Sealing").
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// Move-only. The file lives as long as a descriptor of it is open anywhere.
class SealedMemory {
 public:
  // `name` is what /proc shows of it. The content is locked into memory where that is permitted.
  static Result<SealedMemory> Create(const std::string& name, ByteView content);

  SealedMemory(SealedMemory&& other) noexcept;
  SealedMemory& operator=(SealedMemory&& other) noexcept;
  SealedMemory(const SealedMemory&) = delete;
  SealedMemory& operator=(const SealedMemory&) = delete;
  ~SealedMemory();

  int fd() const { return fd_.get(); }
  ByteView content() const { return {data_, size_}; }
  // Overwrites the content for everybody who has it open.
  void Wipe();

 private:
  SealedMemory() = default;

  UniqueFd fd_;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// The content of such a file that this user made, perhaps in another process; wipe it after use.
// kUntrusted ("memory-not-sealed") when it is another kind of file, another's, empty, larger than
// `max`, or could be changed.
Result<Bytes> ReadSealedMemory(int fd, size_t max);

}  // namespace lodekey::platform
