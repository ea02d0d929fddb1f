#include "agent/memory_trim.h"

#include <algorithm>
#include <utility>

namespace lodekey::agent {

MemoryTrim::MemoryTrim(std::function<size_t()> connections, Duration period,
                       std::function<void()> release)
    : connections_(std::move(connections)),
      period_(period),
      release_(std::move(release)),
      thread_([this] { Watch(); }) {}

MemoryTrim::~MemoryTrim() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

void MemoryTrim::Note() {
  const size_t now = connections_();
  const std::scoped_lock lock(mutex_);
  if (most_ == 0) wake_.notify_all();
  most_ = std::max(most_, now);
}

void MemoryTrim::Watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (most_ == 0) {
      wake_.wait(lock, [&] { return stopping_ || most_ != 0; });
      continue;
    }
    if (wake_.wait_for(lock, period_, [&] { return stopping_; })) return;
    const size_t now = connections_();
    if (now + kMany <= most_) {
      release_();
      most_ = now;
    }
    if (now == 0) most_ = 0;
  }
}

}  // namespace lodekey::agent
