// Names for failures of the parsers in this folder.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>
#include <tss2/tss2_common.h>

#include "base/result.h"

namespace lodekey::tpm {

// Gives a failure that has no name of its own (the bounded reader's) the one callers match on.
template <class T>
Result<T> NameFailure(Result<T> result, std::string_view name) {
  if (!result && result.error().name.empty()) result.error().name = name;
  return result;
}

// A response code of tss2-mu as a Result; `what` says what was tried.
inline Result<void> CheckMarshalling(TSS2_RC rc, std::string_view what) {
  if (rc == TSS2_RC_SUCCESS) return {};
  return Fail(Code::kInvalidArgument, fmt::format("{}: tss2-mu 0x{:x}", what, rc),
              {.detail = Detail{Detail::Source::kTss, rc}});
}

}  // namespace lodekey::tpm
