// How every program of lodekey ends: exit codes and the form of an error (docs/cli.md).
#pragma once

#include <string>

#include "base/error.h"

namespace lodekey::platform {

enum class ExitCode : int {
  kDone = 0,
  kFailure = 1,
  kUsage = 2,
  kNotEnrolled = 3,
  kDenied = 4,
  kIssuerUnreachable = 5,
  kTpmUnavailable = 6,
  kExpired = 7,
  kChanged = 10,
};

// One sentence, and what to do: "lodekey: <text>.\n  <advice>" for people, or one JSON object with
// `schema`, `code`, `message` and `advice` on one line.
std::string FormatError(std::string_view program, const Error& error, bool json);

// By the error's name and code: TPM trouble, an unreachable issuer, a refusal.
ExitCode ExitCodeOf(const Error& error);

}  // namespace lodekey::platform
