#include "platform/program.h"

#include <fmt/format.h>

namespace lodekey::platform {
namespace {

std::string JsonString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += fmt::format("\\{}", c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

}  // namespace

std::string FormatError(std::string_view program, const Error& error, bool json) {
  if (json) {
    return fmt::format("{{\"schema\":1,\"code\":{},\"message\":{},\"advice\":{}}}\n",
                       JsonString(error.Name()), JsonString(error.text), JsonString(error.advice));
  }
  const std::string advice = error.advice.empty() ? "" : fmt::format("  {}\n", error.advice);
  return fmt::format("{}: {}. [{}]\n{}", program, error.text, error.Name(), advice);
}

ExitCode ExitCodeOf(const Error& error) {
  const std::string_view name = error.Name();
  if (name.starts_with("tpm-")) return ExitCode::kTpmUnavailable;
  if (name == "issuer-unreachable" || name == "issuer-untrusted")
    return ExitCode::kIssuerUnreachable;
  if (name == "not-enrolled") return ExitCode::kNotEnrolled;
  if (name == "identity-expired") return ExitCode::kExpired;
  if (name.starts_with("config-")) return ExitCode::kUsage;
  return error.code == Code::kDenied || error.code == Code::kUntrusted ? ExitCode::kDenied
                                                                       : ExitCode::kFailure;
}

}  // namespace lodekey::platform
