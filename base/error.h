// What went wrong, for two readers: the code that must decide what to do next, and the person who
// is woken by it. An Error means "could not judge"; evidence that was judged and found wanting is a
// Verdict (attest/verdict.h).
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>

namespace lodekey {

// What the caller should do, not where it happened.
enum class Code {
  kInvalidArgument,  // the input is malformed: correct it
  kNotFound,         // the thing named does not exist
  kConflict,         // the state moved on, or it exists already: read again
  kUntrusted,        // evidence, signature or peer is not what it claims to be
  kDenied,           // understood and refused
  kUnavailable,      // not now: retry
  kTimeout,          // no answer in time: retry
  kHardware,         // the TPM, the disk or the kernel refused
  kInternal,         // a defect of ours
};

enum class Retry { kNever, kSoon, kLater, kReenrol };

// The stable kebab-case name of `code`, e.g. "not-found".
std::string_view CodeName(Code code);

// When trying the same thing again can help.
Retry RetryFor(Code code);

// The number another layer gave, already decoded in the text: a TSS response code, an errno or an
// OpenSSL error.
struct Detail {
  enum class Source { kTss, kErrno, kOpenSsl, kGrpc, kSqlite };
  Source source;
  uint64_t number;
};

struct Error {
  Code code = Code::kInternal;
  std::string text = {};    // one sentence fragment, outermost context first
  std::string name = {};    // stable kebab-case name of the situation; empty: CodeName(code)
  std::string advice = {};  // what to do about it, one sentence; may be empty
  std::source_location where = {};    // where it was raised
  std::optional<Detail> detail = {};  // the number beneath it

  // The stable name to print and to match on.
  std::string_view Name() const { return name.empty() ? CodeName(code) : std::string_view(name); }

  // `context` + ": " + text.
  Error&& Wrapped(std::string_view context) &&;
};

}  // namespace lodekey
