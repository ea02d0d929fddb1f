#include "platform/program.h"

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

Error Named(std::string name, Code code = Code::kInternal) {
  return {.code = code, .text = "it went wrong", .name = std::move(name)};
}

TEST(FormatError, IsASentenceWithItsNameAndTheAdviceBelow) {
  Error error = Named("tpm-absent");
  error.advice = "Switch it on.";
  EXPECT_EQ(FormatError("lodekey", error, /*json=*/false),
            "lodekey: it went wrong. [tpm-absent]\n  Switch it on.\n");
}

TEST(FormatError, HasNoLineForAdviceThatIsNotThere) {
  EXPECT_EQ(FormatError("lodekeyd", Named("x"), /*json=*/false), "lodekeyd: it went wrong. [x]\n");
}

TEST(FormatError, NamesAnErrorWithoutANameByItsCode) {
  EXPECT_EQ(FormatError("lodekey", {.code = Code::kNotFound, .text = "no"}, /*json=*/false),
            "lodekey: no. [not-found]\n");
}

TEST(FormatError, IsOneJsonObjectOnOneLineWhateverTheTextHas) {
  Error error = Named("x");
  error.text = "a \"quoted\" \\ line\nand\x01 more";
  EXPECT_EQ(
      FormatError("lodekey", error, /*json=*/true),
      "{\"schema\":1,\"code\":\"x\",\"message\":\"a \\\"quoted\\\" \\\\ line\\u000aand\\u0001 "
      "more\",\"advice\":\"\"}\n");
}

TEST(ExitCodeOf, FollowsTheName) {
  for (const auto& [name, exit] :
       {std::pair("tpm-absent", ExitCode::kTpmUnavailable),
        std::pair("tpm-permission", ExitCode::kTpmUnavailable),
        std::pair("issuer-unreachable", ExitCode::kIssuerUnreachable),
        std::pair("issuer-untrusted", ExitCode::kIssuerUnreachable),
        std::pair("not-enrolled", ExitCode::kNotEnrolled),
        std::pair("identity-expired", ExitCode::kExpired),
        std::pair("config-invalid", ExitCode::kUsage), std::pair("config-unsafe", ExitCode::kUsage),
        std::pair("config-unreadable", ExitCode::kUsage)}) {
    EXPECT_EQ(ExitCodeOf(Named(name)), exit) << name;
    EXPECT_EQ(ExitCodeOf(Named(name, Code::kDenied)), exit) << name << " whatever its code";
  }
}

TEST(ExitCodeOf, IsDeniedForARefusalByAnyOtherNameAndFailureForTheRest) {
  EXPECT_EQ(ExitCodeOf(Named("ek-not-in-inventory", Code::kDenied)), ExitCode::kDenied);
  EXPECT_EQ(ExitCodeOf(Named("peer-certificate", Code::kUntrusted)), ExitCode::kDenied);
  EXPECT_EQ(ExitCodeOf(Named("disk-full", Code::kHardware)), ExitCode::kFailure);
  EXPECT_EQ(ExitCodeOf(Named("", Code::kInternal)), ExitCode::kFailure);
}

}  // namespace
}  // namespace lodekey::platform
