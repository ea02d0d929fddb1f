// TSS2_RC as our Error: which layer refused, what that means to the caller, and what a person can
// do about it.
#pragma once

#include <source_location>
#include <string>

#include <tss2/tss2_common.h>

#include "base/result.h"

namespace lodekey::tpm {

// The TPM asks for the same command again: TPM_RC_RETRY, YIELDED, TESTING, NV_RATE (part 2, 6.6.3),
// and the resource manager's forms of them. Nothing was executed.
bool IsTransient(TSS2_RC rc);

// The TPM's own response code without the handle, session or parameter number it accuses (part
// 2, 6.6.2), so that it compares equal to TPM2_RC_HANDLE and its like. Codes of the software layers
// above the chip give 0.
TSS2_RC TpmBase(TSS2_RC rc);

// The decoded response code as text, with Detail::kTss and advice; Error::name is one of those
// tpm/device.h lists.
[[nodiscard]] std::unexpected<Error> FailTss(
    TSS2_RC rc, std::source_location where = std::source_location::current());

// Why the TCTI `conf` did not open. The TCTI hides errno, so the path in `conf` is tried again here
// to name the cause: no such device, no permission, or in use by another program.
[[nodiscard]] std::unexpected<Error> FailOpen(
    TSS2_RC rc, const std::string& conf,
    std::source_location where = std::source_location::current());

}  // namespace lodekey::tpm
