// One command to the chip: sent again while the TPM asks for that, and its failure told as our
// Error.
#pragma once

#include <chrono>
#include <functional>
#include <source_location>

#include <tss2/tss2_esys.h>

#include "base/handle.h"
#include "base/result.h"

namespace lodekey::tpm {

// What ESYS allocates.
template <class T>
using EsysPtr = CHandle<T, Esys_Free>;

struct RetryPolicy {
  std::chrono::milliseconds first{10};    // pause before the first repetition; doubles each time
  std::chrono::milliseconds total{5000};  // all pauses together
  std::function<void(std::chrono::milliseconds)> sleep;  // empty: the thread sleeps
};

// Runs `call` until it succeeds, fails for good, or the pauses are used up. ESYS itself sends a
// command five more times without a pause; that is not enough for a TPM in its self-test. The
// error's text is the decoded response code.
Result<void> RunCommand(const std::function<TSS2_RC()>& call, const RetryPolicy& policy = {},
                        std::source_location where = std::source_location::current());

// The same and the last response code as it is, for callers to whom some refusals are answers.
TSS2_RC RunUntilSettled(const std::function<TSS2_RC()>& call, const RetryPolicy& policy = {});

}  // namespace lodekey::tpm
