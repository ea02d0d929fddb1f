#include "platform/clock.h"

#include <ctime>

#include "platform/file.h"

namespace lodekey::platform {
namespace {

// Moved forward by hand with each release, to a day before it: a literal, so that builds stay
// reproducible, and earlier than the release, so that no host with a right clock is overruled.
constexpr Time kBuildTime =
    std::chrono::sys_days(std::chrono::year(2026) / std::chrono::January / 1);

constexpr size_t kBootIdSize = 36;

}  // namespace

Time Now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

Duration Uptime() {
  timespec now = {};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds(now.tv_sec) +
                                              std::chrono::nanoseconds(now.tv_nsec));
}

Result<std::string> BootId() {
  ASSIGN_OR_RETURN(std::string text, ReadTextFile("/proc/sys/kernel/random/boot_id", 64),
                   "read the boot id");
  if (text.size() < kBootIdSize) return Fail(Code::kInternal, "the kernel's boot id is too short");
  text.resize(kBootIdSize);
  return text;
}

Time BuildTime() { return kBuildTime; }

}  // namespace lodekey::platform
