// The one translation of errno into an Error.
#pragma once

#include <source_location>
#include <string>

#include "base/result.h"

namespace lodekey::platform {

// Fails with `what` + ": " + the system's words for `number`, and Detail::kErrno. Code and name
// follow from the number: ENOENT is kNotFound "file-not-found"; EACCES, EPERM and EROFS are
// kHardware "file-permission"; ENOSPC and EDQUOT are kHardware "disk-full"; EMFILE, ENFILE, ENOMEM
// and EAGAIN are kUnavailable "out-of-resources"; all else is kHardware.
// `number` is errno as the failing call left it.
[[nodiscard]] std::unexpected<Error> FailErrno(
    int number, std::string what, std::source_location where = std::source_location::current());

}  // namespace lodekey::platform
