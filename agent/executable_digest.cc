#include "agent/executable_digest.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "platform/errno_error.h"

namespace lodekey::agent {
namespace {

using platform::FailErrno;
using platform::UniqueFd;

constexpr long kFuse = 0x65735546;  // FUSE_SUPER_MAGIC is in no header
// A change within one tick of the kernel's coarse clock may leave the time of change as it was; two
// seconds are also the granularity of the worst file system.
constexpr int64_t kSettledNs = 2'000'000'000;

enum class Trust {
  kNever,      // no digest means anything
  kEachTime,   // bytes may change without a trace
  kCacheable,  // every change of content moves the time of change
};

Result<Trust> TrustIn(const UniqueFd& file) {
  struct statfs status = {};
  if (::fstatfs(file.get(), &status) != 0)
    return FailErrno(errno, "cannot look at the executable's file system");
  switch (status.f_type) {
    case kFuse: return Trust::kNever;
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC: break;
    default: return Trust::kEachTime;  // NFS, tmpfs, memfd, overlay, and what we do not know
  }
  // What is mounted for users is mounted nosuid; its medium may be written beneath the file system.
  return (status.f_flags & ST_NOSUID) != 0 ? Trust::kEachTime : Trust::kCacheable;
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

// Of a version in in_flight_: takes it out, however hashing ends, and wakes who waits for it.
class ExecutableDigests::Flight {
 public:
  Flight(ExecutableDigests& digests, const Version& version)
      : digests_(digests), version_(version) {}
  ~Flight() {
    const std::scoped_lock lock(digests_.mutex_);
    digests_.in_flight_.erase(version_);
    digests_.finished_.notify_all();
  }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

 private:
  ExecutableDigests& digests_;
  const Version& version_;
};

Result<ExecutableDigests::Version> ExecutableDigests::VersionOf(const UniqueFd& file) {
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return FailErrno(errno, "cannot look at the executable");
  if (!S_ISREG(status.st_mode))
    return Fail(Code::kInvalidArgument, "the executable is no regular file");
  ASSIGN_OR_RETURN(platform::FileId id, platform::ReadFileId(file.get()), "executable");
  return Version{.id = std::move(id),
                 .size = static_cast<uint64_t>(status.st_size),
                 .modified_ns = Nanoseconds(status.st_mtim),
                 .changed_ns = Nanoseconds(status.st_ctim)};
}

Result<std::optional<crypto::Sha256Digest>> ExecutableDigests::Of(const UniqueFd& file) {
  ASSIGN_OR_RETURN(const Trust trust, TrustIn(file), "digest");
  if (trust == Trust::kNever) return std::nullopt;
  ASSIGN_OR_RETURN(const Version version, VersionOf(file), "digest");
  if (version.size > kMaxExecutable) return std::nullopt;
  return trust == Trust::kCacheable ? OfCacheable(file, version) : Hash(file, version);
}

Result<std::optional<crypto::Sha256Digest>> ExecutableDigests::OfCacheable(const UniqueFd& file,
                                                                           const Version& version) {
  {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return !in_flight_.contains(version); });
    if (auto known = Find(version)) return known;
    in_flight_.insert(version);
  }
  const Flight flight(*this, version);
  // A page that is mapped writable and dirty can be written again without a trace. Written back, it
  // is read-only until the next fault, and that moves the time of change.
  static_cast<void>(::fdatasync(file.get()));
  const int64_t begun_ns = std::chrono::nanoseconds(now_().time_since_epoch()).count();
  ASSIGN_OR_RETURN(const Version before, VersionOf(file), "digest");
  ASSIGN_OR_RETURN(const auto digest, Hash(file, before), "digest");
  if (digest && before.changed_ns + kSettledNs <= begun_ns) Keep(before, *digest);
  return digest;
}

Result<std::optional<crypto::Sha256Digest>> ExecutableDigests::Hash(const UniqueFd& file,
                                                                    const Version& before) {
  crypto::Hasher hasher(crypto::HashAlg::kSha256);
  Bytes block(size_t{256} << 10);
  uint64_t offset = 0;
  while (offset <= kMaxExecutable) {
    const ssize_t got = ::pread(file.get(), block.data(), block.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FailErrno(errno, "cannot read the executable");
    if (got == 0) break;
    hasher.Update(ByteView(block).first(static_cast<size_t>(got)));
    offset += static_cast<uint64_t>(got);
  }
  hashed_ += offset;
  ASSIGN_OR_RETURN(const Version after, VersionOf(file), "digest");
  if (offset != before.size || !(after == before)) return std::nullopt;
  crypto::Sha256Digest digest;
  hasher.FinishInto(digest);
  return digest;
}

std::optional<crypto::Sha256Digest> ExecutableDigests::Find(const Version& version) {
  const auto found = kept_.find(version);
  if (found == kept_.end()) return {};
  ages_.splice(ages_.begin(), ages_, found->second.age);
  return found->second.digest;
}

void ExecutableDigests::Keep(const Version& version, const crypto::Sha256Digest& digest) {
  std::list<Version> age = {version};
  const std::scoped_lock lock(mutex_);
  if (!kept_.emplace(version, Kept{.digest = digest, .age = age.begin()}).second) return;
  ages_.splice(ages_.begin(), age);
  if (kept_.size() <= capacity_) return;
  kept_.erase(ages_.back());
  ages_.pop_back();
}

}  // namespace lodekey::agent
