#include "platform/sealed_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

constexpr size_t kMax = 4096;

SealedMemory Sealed(std::string_view text) {
  auto memory = SealedMemory::Create("test", AsBytes(text));
  if (!memory) throw std::runtime_error(memory.error().text);
  return *std::move(memory);
}

std::string NameOf(int fd, size_t max = kMax) {
  const auto read = ReadSealedMemory(fd, max);
  return read ? "" : std::string(read.error().Name());
}

// A file in memory with these seals.
UniqueFd Memory(int seals) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::write(fd.get(), "text", 4), 4);
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

TEST(SealedMemory, IsReadByWhoeverHasTheDescriptor) {
  const SealedMemory memory = Sealed("a secret");
  const UniqueFd other(::dup(memory.fd()));
  const auto read = ReadSealedMemory(other.get(), kMax);
  ASSERT_TRUE(read);
  EXPECT_EQ(AsText(*read), "a secret");
}

TEST(SealedMemory, OutlivesItsMaker) {
  UniqueFd kept;
  {
    const SealedMemory memory = Sealed("a secret");
    kept.reset(::dup(memory.fd()));
  }
  EXPECT_EQ(AsText(ReadSealedMemory(kept.get(), kMax).value()), "a secret");
}

TEST(SealedMemory, CannotBeChangedOrResized) {
  const SealedMemory memory = Sealed("a secret");
  EXPECT_EQ(::pwrite(memory.fd(), "x", 1, 0), -1);
  EXPECT_EQ(::ftruncate(memory.fd(), 1), -1);
  EXPECT_EQ(::ftruncate(memory.fd(), 100), -1);
  EXPECT_EQ(::mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd(), 0), MAP_FAILED);
  EXPECT_EQ(AsText(memory.content()), "a secret");
}

TEST(SealedMemory, IsWipedForEverybody) {
  SealedMemory memory = Sealed("a secret");
  const UniqueFd other(::dup(memory.fd()));
  memory.Wipe();
  EXPECT_EQ(ReadSealedMemory(other.get(), kMax).value(), Bytes(8, 0));
}

TEST(SealedMemory, IsNotPassedToPrograms) {
  const SealedMemory memory = Sealed("a secret");
  EXPECT_NE(::fcntl(memory.fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(SealedMemory, IsNotBelievedWhenItCouldHaveBeenChanged) {
  const SealedMemory good = Sealed("text");
  EXPECT_EQ(NameOf(good.fd()), "");
  EXPECT_EQ(NameOf(good.fd(), 3), "memory-not-sealed") << "it is larger than expected";
  constexpr int kSized = F_SEAL_SHRINK | F_SEAL_GROW;
  EXPECT_EQ(NameOf(Memory(0).get()), "memory-not-sealed");
  EXPECT_EQ(NameOf(Memory(kSized | F_SEAL_SEAL).get()), "memory-not-sealed");
  EXPECT_EQ(NameOf(Memory(kSized | F_SEAL_WRITE).get()), "memory-not-sealed");
  EXPECT_EQ(NameOf(Memory(F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL).get()), "memory-not-sealed");
  EXPECT_EQ(NameOf(Memory(kSized | F_SEAL_WRITE | F_SEAL_SEAL).get()), "");
  const ScratchDir scratch;
  const UniqueFd file(::open(scratch.Write("file", "text").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(NameOf(file.get()), "memory-not-sealed");
  EXPECT_EQ(NameOf(-1), "memory-not-sealed");
  const UniqueFd empty(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::fcntl(empty.get(), F_ADD_SEALS, kSized | F_SEAL_WRITE | F_SEAL_SEAL), 0);
  EXPECT_EQ(NameOf(empty.get()), "memory-not-sealed");
}

}  // namespace
}  // namespace lodekey::platform
