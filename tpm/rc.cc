#include "tpm/rc.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tpm2_types.h>

namespace lodekey::tpm {
namespace {

constexpr std::string_view kFailed = "tpm-failed";

// What a response code means to the caller.
struct Meaning {
  Code code = Code::kHardware;
  std::string_view name = kFailed;
  std::string_view advice = "";
};

constexpr Meaning kBusy{Code::kUnavailable, "tpm-busy", "try again in a moment"};
constexpr Meaning kFull{
    Code::kUnavailable, "tpm-busy",
    "the TPM has no free slot: use the resource-managed device (/dev/tpmrm0), or end the program "
    "that holds its keys and sessions"};
constexpr Meaning kGone{
    Code::kHardware, "tpm-absent",
    "the TPM does not answer: see the kernel log for tpm messages, and restart the service when it "
    "is back"};
constexpr Meaning kLockout{
    Code::kHardware, "tpm-lockout",
    "the TPM is in dictionary-attack lockout: wait for its recovery time, or clear it with the "
    "lockout authorisation (tpm2_dictionarylockout)"};
constexpr Meaning kAuth{Code::kHardware, "tpm-auth",
                        "the authorisation value does not fit this TPM: was its owner, its state "
                        "or the key file replaced?"};
constexpr Meaning kForgotten{
    Code::kHardware, kFailed,
    "the TPM lost its keys and sessions (reset or resume): restart the service"};
constexpr Meaning kDefective{Code::kHardware, kFailed,
                             "the TPM is in failure mode: power the host off and on"};

TSS2_RC Layer(TSS2_RC rc) { return rc & TSS2_RC_LAYER_MASK; }

// The kernel's and the user-space resource manager pass TPM codes on under layers of their own.
bool IsFromTpm(TSS2_RC rc) {
  return Layer(rc) == TSS2_TPM_RC_LAYER || Layer(rc) == TSS2_RESMGR_TPM_RC_LAYER;
}

// Part 2, 6.6.3: a warning that a handle or session in the command is not loaded.
bool IsReference(TSS2_RC base) {
  return base >= TPM2_RC_REFERENCE_H0 && base <= TPM2_RC_REFERENCE_S6;
}

Meaning MeaningOfTpm(TSS2_RC base) {
  if (IsReference(base)) return kForgotten;
  switch (base) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
    case TPM2_RC_CANCELED:
    case TPM2_RC_NV_UNAVAILABLE: return kBusy;
    case TPM2_RC_MEMORY:
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_OBJECT_HANDLES:
    case TPM2_RC_SESSION_HANDLES: return kFull;
    case TPM2_RC_LOCKOUT: return kLockout;
    case TPM2_RC_AUTH_FAIL:
    case TPM2_RC_BAD_AUTH:
    case TPM2_RC_AUTH_MISSING:
    case TPM2_RC_AUTH_UNAVAILABLE: return kAuth;
    case TPM2_RC_FAILURE: return kDefective;
    default: return {};
  }
}

Meaning MeaningOf(TSS2_RC rc) {
  if (IsFromTpm(rc)) return MeaningOfTpm(TpmBase(rc));
  switch (rc & ~TSS2_RC_LAYER_MASK) {
    // A context that lost the TPM in the middle of a command takes no other.
    case TSS2_BASE_RC_BAD_SEQUENCE:
    case TSS2_BASE_RC_IO_ERROR:
    case TSS2_BASE_RC_NO_CONNECTION:
    case TSS2_BASE_RC_NOT_PERMITTED: return kGone;
    case TSS2_BASE_RC_TRY_AGAIN: return kBusy;
    default: return {};
  }
}

// The path a TCTI conf string names: "device:/dev/tpmrm0", "swtpm:path=/run/x.sock".
std::optional<std::string> PathOf(std::string_view conf) {
  for (std::string_view prefix : {"device:", "swtpm:path="}) {
    if (conf.starts_with(prefix)) return std::string(conf.substr(prefix.size()));
  }
  return std::nullopt;
}

// The errno of opening `path` as a TCTI does; 0 when that works. Opening tells more than access(2):
// a device cgroup answers EPERM, and /dev/tpm0 in use answers EBUSY. A socket cannot be opened: its
// permission bits are asked for.
int ErrnoOf(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return errno;
  if (S_ISSOCK(status.st_mode)) {
    return faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0 ? 0 : errno;
  }
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

Meaning MeaningOfErrno(int number) {
  switch (number) {
    case EACCES:
    case EPERM:
      return {Code::kHardware, "tpm-permission",
              "add the user of the service to group tss, and allow the device in its unit"};
    case EBUSY:
      return {Code::kUnavailable, "tpm-busy",
              "another program has the device open: use the resource-managed one (/dev/tpmrm0)"};
    default:
      return {Code::kHardware, "tpm-absent",
              "switch the TPM on in the firmware set-up and load its driver (tpm_tis or tpm_crb), "
              "or correct the device path in the configuration"};
  }
}

}  // namespace

bool IsTransient(TSS2_RC rc) {
  switch (TpmBase(rc)) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE: return true;
    default: return false;
  }
}

TSS2_RC TpmBase(TSS2_RC rc) {
  if (!IsFromTpm(rc)) return TSS2_RC_SUCCESS;
  // Format one keeps the accused number in bits 6 and 8 to 11.
  constexpr TSS2_RC kFormatOneMask = TPM2_RC_FMT1 | 0x3f;
  const TSS2_RC code = rc & ~TSS2_RC_LAYER_MASK;
  return (code & TPM2_RC_FMT1) != 0 ? code & kFormatOneMask : code;
}

std::unexpected<Error> FailTss(TSS2_RC rc, std::source_location where) {
  const Meaning meaning = MeaningOf(rc);
  return Fail(meaning.code, Tss2_RC_Decode(rc),
              {.name = std::string(meaning.name),
               .advice = std::string(meaning.advice),
               .detail = Detail{Detail::Source::kTss, rc}},
              where);
}

std::unexpected<Error> FailOpen(TSS2_RC rc, const std::string& conf, std::source_location where) {
  const std::optional<std::string> path = PathOf(conf);
  const int number = path ? ErrnoOf(*path) : 0;
  const Meaning meaning = MeaningOfErrno(number);
  const std::string reason = number != 0 ? std::strerror(number) : Tss2_RC_Decode(rc);
  return Fail(meaning.code, fmt::format("open the TPM at {}: {}", conf, reason),
              {.name = std::string(meaning.name),
               .advice = std::string(meaning.advice),
               .detail = Detail{Detail::Source::kTss, rc}},
              where);
}

}  // namespace lodekey::tpm
