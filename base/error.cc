#include "base/error.h"

namespace lodekey {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalidArgument: return "invalid-argument";
    case Code::kNotFound: return "not-found";
    case Code::kConflict: return "conflict";
    case Code::kUntrusted: return "untrusted";
    case Code::kDenied: return "denied";
    case Code::kUnavailable: return "unavailable";
    case Code::kTimeout: return "timeout";
    case Code::kHardware: return "hardware";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

Retry RetryFor(Code code) {
  switch (code) {
    case Code::kUnavailable:
    case Code::kTimeout:
    case Code::kConflict: return Retry::kSoon;
    case Code::kHardware:
    case Code::kDenied: return Retry::kLater;
    case Code::kUntrusted: return Retry::kReenrol;
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kInternal: return Retry::kNever;
  }
  return Retry::kNever;
}

Error&& Error::Wrapped(std::string_view context) && {
  text.insert(0, std::string(context) + ": ");
  return std::move(*this);
}

}  // namespace lodekey
