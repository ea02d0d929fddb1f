// A small disk of the test's own, which can be full: a tmpfs in a mount namespace of this process.
#pragma once

#include <cstddef>
#include <string>

namespace lodekey::test {

// Gives this process mounts of its own; false where that is not permitted.
bool EnterPrivateMounts();

class SmallDisk {
 public:
  // Mounts a disk with room enough at `path`, which is made if need be.
  explicit SmallDisk(std::string path);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Leaves `blocks` of 4 KiB free: none, so that no file can grow.
  void Fill(size_t blocks = 0) const;
  // Room enough again.
  void Free() const;

 private:
  void Resize(size_t blocks) const;

  std::string path_;
};

}  // namespace lodekey::test
