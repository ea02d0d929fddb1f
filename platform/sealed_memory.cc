#include "platform/sealed_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <utility>

#include "platform/errno_error.h"

namespace lodekey::platform {
namespace {

// Writable by nobody but through the mapping that was made before, so that it can be wiped.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

std::unexpected<Error> NotSealed(std::string_view why) {
  return Fail(Code::kUntrusted, "memory that was kept cannot be believed: " + std::string(why),
              {.name = "memory-not-sealed"});
}

}  // namespace

Result<SealedMemory> SealedMemory::Create(const std::string& name, ByteView content) {
  SealedMemory memory;
  memory.fd_.reset(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.fd_.valid()) return FailErrno(errno, "make a file in memory");
  if (::ftruncate(memory.fd(), static_cast<off_t>(content.size())) != 0)
    return FailErrno(errno, "make room in memory");
  void* const data =
      ::mmap(nullptr, content.size(), PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd(), 0);
  if (data == MAP_FAILED) return FailErrno(errno, "map a file in memory");
  memory.data_ = static_cast<uint8_t*>(data);
  memory.size_ = content.size();
  // Against swapping, as far as RLIMIT_MEMLOCK goes.
  (void)::mlock(data, content.size());
  std::ranges::copy(content, memory.data_);
  if (::fcntl(memory.fd(), F_ADD_SEALS, kSeals) != 0)
    return FailErrno(errno, "seal a file in memory");
  return memory;
}

SealedMemory::SealedMemory(SealedMemory&& other) noexcept { *this = std::move(other); }

SealedMemory& SealedMemory::operator=(SealedMemory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SealedMemory::~SealedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void SealedMemory::Wipe() {
  if (data_ != nullptr) ::explicit_bzero(data_, size_);
}

Result<Bytes> ReadSealedMemory(int fd, size_t max) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return NotSealed("it is no file in memory");
  const bool writable = (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0;
  constexpr int kSized = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (writable || (seals & kSized) != kSized) return NotSealed("it could have been changed");
  struct stat status{};
  if (::fstat(fd, &status) != 0) return FailErrno(errno, "look at a file in memory");
  if (status.st_uid != ::geteuid()) return NotSealed("another user made it");
  if (status.st_size <= 0 || static_cast<size_t>(status.st_size) > max)
    return NotSealed("it is empty, or too large");
  Bytes content(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t got =
        ::pread(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return FailErrno(got < 0 ? errno : EIO, "read a file in memory");
    done += static_cast<size_t>(got);
  }
  return content;
}

}  // namespace lodekey::platform
