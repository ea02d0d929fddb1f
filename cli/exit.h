// How the command ends: platform/program.h, with what only this program knows.
#pragma once

#include <string>

#include "base/result.h"
#include "platform/program.h"

namespace lodekey::cli {

using platform::ExitCode;

// The command line is wrong: exit code 2.
[[nodiscard]] std::unexpected<Error> FailUsage(std::string text, std::string advice);

// platform::ExitCodeOf, but a failed check of the audit log is a failure (1), and a wrong command
// line is one of usage (2).
ExitCode ExitCodeOf(const Error& error);

}  // namespace lodekey::cli
