#include "cli/exit.h"

namespace lodekey::cli {
namespace {

constexpr std::string_view kUsageError = "usage";

}  // namespace

std::unexpected<Error> FailUsage(std::string text, std::string advice) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = std::string(kUsageError), .advice = std::move(advice)});
}

ExitCode ExitCodeOf(const Error& error) {
  if (error.Name() == kUsageError) return ExitCode::kUsage;
  if (error.Name().starts_with("audit-")) return ExitCode::kFailure;
  if (error.Name().starts_with("admin-")) return ExitCode::kIssuerUnreachable;
  return platform::ExitCodeOf(error);
}

}  // namespace lodekey::cli
