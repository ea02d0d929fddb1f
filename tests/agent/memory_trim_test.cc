#include "agent/memory_trim.h"

#include <atomic>

#include <gtest/gtest.h>

#include "tests/support/program.h"

namespace lodekey::agent {
namespace {

TEST(MemoryTrim, ReleasesMemoryWhenManyHaveGoneAndOnlyThen) {
  std::atomic<size_t> connections = 0;
  std::atomic<int> looks = 0;
  std::atomic<int> released = 0;
  MemoryTrim trim([&] { return ++looks, connections.load(); }, Duration(1), [&] { ++released; });
  const auto see = [&] {
    const int before = looks;
    EXPECT_TRUE(test::Eventually([&] { return looks > before + 2; }));
  };
  for (size_t i = 0; i < 2 * MemoryTrim::kMany; ++i) {
    ++connections;
    trim.Note();
  }
  connections -= MemoryTrim::kMany - 1;
  see();
  EXPECT_EQ(released, 0) << "a few have gone";
  --connections;
  EXPECT_TRUE(test::Eventually([&] { return released == 1; }));
  see();
  EXPECT_EQ(released, 1) << "once";
  connections = 0;
  EXPECT_TRUE(test::Eventually([&] { return released == 2; }));
}

TEST(MemoryTrim, LooksAtNothingWhileThereAreNoConnections) {
  std::atomic<int> looks = 0;
  {
    MemoryTrim trim([&] { return ++looks, size_t{0}; }, Duration(0), [] {});
  }
  EXPECT_EQ(looks, 0);
}

}  // namespace
}  // namespace lodekey::agent
