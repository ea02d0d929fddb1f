#include "platform/confinement.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "platform/errno_error.h"

namespace lodekey::platform {
namespace {

#if defined(LODEKEY_SANITIZED)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "which architecture's system calls are these?"
#endif

constexpr rlim_t kStack = rlim_t{8} << 20;

// Standard streams and a socket (platform/child_process.h).
constexpr rlim_t kOpenFiles = 4;

// Reading, writing and waiting for what is open (without sendmsg, which passes descriptors),
// memory, the clock and its timer, the seed of hash tables, and the way out: abort(3) takes the
// last lines.
constexpr std::array kAllowed = std::to_array<uint32_t>({
#ifdef SYS_poll
    SYS_poll,
#endif
    SYS_ppoll,
    SYS_read,
    SYS_write,
    SYS_writev,
    SYS_recvfrom,
    SYS_sendto,
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_futex,
    SYS_sched_yield,
    SYS_clock_gettime,
    SYS_setitimer,
    SYS_getrandom,
    SYS_rt_sigreturn,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_getpid,
    SYS_gettid,
});

Result<void> Limit(int resource, rlim_t value, const char* what) {
  const rlimit limit = {.rlim_cur = value, .rlim_max = value};
  // __rlimit_resource_t in glibc's C++ and int elsewhere.
  if (::setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0)
    return FailErrno(errno, what);
  return {};
}

// What is mapped now, in bytes.
Result<uint64_t> AddressSpace() {
  uint64_t pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages))
    return Fail(Code::kUnavailable, "cannot read /proc/self/statm");
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}

sock_filter Return(uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }

// Goes on behind the next instruction when the loaded number is not `value`.
sock_filter SkipUnless(uint32_t value) { return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1); }
sock_filter SkipIf(uint32_t value) { return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0); }

// Of an argument, whose upper half the kernel does not look at where it takes a pid.
constexpr size_t kLowHalf = std::endian::native == std::endian::little ? 0 : sizeof(uint32_t);

std::vector<sock_filter> Filter() {
  std::vector<sock_filter> filter = {
      Load(offsetof(seccomp_data, arch)),
      SkipIf(kArchitecture),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
      // abort() signals the process itself; a signal to another one of its user would end that.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 4),
      Load(offsetof(seccomp_data, args) + kLowHalf),
      SkipUnless(static_cast<uint32_t>(::getpid())),
      Return(SECCOMP_RET_ALLOW),
      Return(SECCOMP_RET_KILL_PROCESS),
  };
  for (const uint32_t call : kAllowed) {
    filter.push_back(SkipUnless(call));
    filter.push_back(Return(SECCOMP_RET_ALLOW));
  }
  filter.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  return filter;
}

Result<void> LimitCalls() {
  std::vector<sock_filter> filter = Filter();
  const sock_fprog program = {.len = static_cast<unsigned short>(filter.size()),
                              .filter = filter.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
    return FailErrno(errno, "cannot limit the system calls");
  return {};
}

}  // namespace

Result<void> Confine(uint64_t memory) {
  RETURN_IF_ERROR(Limit(RLIMIT_CORE, 0, "cannot forbid core dumps"), "confine");
  RETURN_IF_ERROR(Limit(RLIMIT_STACK, kStack, "cannot limit the stack"), "confine");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return FailErrno(errno, "cannot forbid tracing");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return FailErrno(errno, "cannot give up new privileges");
  if (kSanitized) return {};
  ASSIGN_OR_RETURN(const uint64_t present, AddressSpace(), "confine");
  RETURN_IF_ERROR(Limit(RLIMIT_NOFILE, kOpenFiles, "cannot limit the open files"), "confine");
  RETURN_IF_ERROR(Limit(RLIMIT_AS, present + memory, "cannot limit the memory"), "confine");
  return LimitCalls();
}

}  // namespace lodekey::platform
