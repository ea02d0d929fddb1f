#include "agent/caller_limits.h"

#include <algorithm>

#include <fmt/format.h>

namespace lodekey::agent {
namespace {

constexpr size_t kKinds = 4;
constexpr std::array<const char*, kKinds> kWords = {"connections", "streams", "requests",
                                                    "refusals"};

}  // namespace

struct CallerLimits::Counts {
  std::mutex mutex;
  std::array<size_t, kKinds> limits;
  std::map<uid_t, std::array<size_t, kKinds>> held;
};

CallerLimits::CallerLimits(CallerLimit limit) : counts_(std::make_shared<Counts>()) {
  counts_->limits = {limit.connections, limit.streams, limit.pending, limit.refusals};
}

Result<CallerLimits::Permit> CallerLimits::Take(uid_t uid, Held what) {
  const auto kind = static_cast<size_t>(what);
  const std::scoped_lock lock(counts_->mutex);
  auto& held = counts_->held[uid];
  if (held[kind] < counts_->limits[kind]) {
    ++held[kind];
    return Permit(counts_, uid, what);
  }
  if (held == std::array<size_t, kKinds>{}) counts_->held.erase(uid);
  return Fail(Code::kUnavailable,
              fmt::format("user {} has {} {} already", uid, counts_->limits[kind], kWords[kind]),
              {.name = fmt::format("too-many-{}", kWords[kind]),
               .advice = "Keep one connection for each process, and one stream on it."});
}

size_t CallerLimits::users() const {
  const std::scoped_lock lock(counts_->mutex);
  return counts_->held.size();
}

CallerLimits::Permit& CallerLimits::Permit::operator=(Permit&& other) noexcept {
  if (this == &other) return *this;
  Release();
  counts_ = std::move(other.counts_);
  uid_ = other.uid_;
  what_ = other.what_;
  return *this;
}

void CallerLimits::Permit::Release() {
  const auto counts = std::exchange(counts_, nullptr);
  if (counts == nullptr) return;
  const std::scoped_lock lock(counts->mutex);
  const auto user = counts->held.find(uid_);
  --user->second[static_cast<size_t>(what_)];
  if (user->second == std::array<size_t, kKinds>{}) counts->held.erase(user);
}

}  // namespace lodekey::agent
