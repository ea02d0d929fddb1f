// Gives memory back to the kernel some seconds after many connections have gone.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>

#include "base/time.h"
#include "platform/process.h"

namespace lodekey::agent {

// Its thread sleeps while there are no connections. Thread-safe.
class MemoryTrim {
 public:
  static constexpr size_t kMany = 32;

  // Looks every `period` at `connections`, and calls `release` when kMany have gone.
  explicit MemoryTrim(std::function<size_t()> connections,
                      Duration period = std::chrono::seconds(10),
                      std::function<void()> release = platform::ReleaseFreeMemory);
  ~MemoryTrim();
  MemoryTrim(const MemoryTrim&) = delete;
  MemoryTrim& operator=(const MemoryTrim&) = delete;

  // There is a connection more.
  void Note();

 private:
  void Watch();

  const std::function<size_t()> connections_;
  const Duration period_;
  const std::function<void()> release_;
  std::mutex mutex_;
  std::condition_variable wake_;
  size_t most_ = 0;  // since memory was released
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lodekey::agent
