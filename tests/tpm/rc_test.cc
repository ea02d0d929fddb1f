#include "tpm/rc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

namespace lodekey::tpm {
namespace {

using testing::HasSubstr;

TEST(TssResponseCode, BaseDropsHandleSessionAndParameterNumbers) {
  EXPECT_EQ(TpmBase(TPM2_RC_HANDLE), TPM2_RC_HANDLE);
  EXPECT_EQ(TpmBase(TPM2_RC_HANDLE | TPM2_RC_1), TPM2_RC_HANDLE);
  EXPECT_EQ(TpmBase(TPM2_RC_AUTH_FAIL | TPM2_RC_S | TPM2_RC_2), TPM2_RC_AUTH_FAIL);
  EXPECT_EQ(TpmBase(TPM2_RC_SIZE | TPM2_RC_P | TPM2_RC_F), TPM2_RC_SIZE);
  EXPECT_EQ(TpmBase(TPM2_RC_LOCKOUT), TPM2_RC_LOCKOUT);
}

TEST(TssResponseCode, BaseOfTheResourceManagerIsTheTpmsAndOfSoftwareIsNone) {
  EXPECT_EQ(TpmBase(TSS2_RESMGR_TPM_RC_LAYER | TPM2_RC_RETRY), TPM2_RC_RETRY);
  EXPECT_EQ(TpmBase(TSS2_ESYS_RC_BAD_VALUE), TSS2_RC_SUCCESS);
  EXPECT_EQ(TpmBase(TSS2_TCTI_RC_IO_ERROR), TSS2_RC_SUCCESS);
  EXPECT_EQ(TpmBase(TSS2_RC_SUCCESS), TSS2_RC_SUCCESS);
}

TEST(TssResponseCode, OnlyWarningsThatAskForARepetitionAreTransient) {
  for (TSS2_RC rc : {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_RATE}) {
    EXPECT_TRUE(IsTransient(rc)) << rc;
    EXPECT_TRUE(IsTransient(TSS2_RESMGR_TPM_RC_LAYER | rc)) << rc;
  }
  for (TSS2_RC rc : {TSS2_RC_SUCCESS, TPM2_RC_LOCKOUT, TPM2_RC_AUTH_FAIL, TPM2_RC_BAD_AUTH,
                     TPM2_RC_FAILURE, TPM2_RC_OBJECT_MEMORY, TSS2_TCTI_RC_TRY_AGAIN}) {
    EXPECT_FALSE(IsTransient(rc)) << rc;
  }
}

TEST(TssError, CarriesTheDecodedCodeTheNumberAndThePlace) {
  const Error error = FailTss(TPM2_RC_LOCKOUT).error();
  EXPECT_EQ(error.name, "tpm-lockout");
  EXPECT_THAT(error.text, HasSubstr("DA lockout"));
  EXPECT_THAT(error.advice, HasSubstr("tpm2_dictionarylockout"));
  ASSERT_TRUE(error.detail);
  EXPECT_EQ(error.detail->source, Detail::Source::kTss);
  EXPECT_EQ(error.detail->number, TPM2_RC_LOCKOUT);
  EXPECT_THAT(error.where.file_name(), HasSubstr("rc_test.cc"));
}

TEST(TssError, NamesWhoIsGone) {
  for (TSS2_RC rc :
       {TSS2_TCTI_RC_IO_ERROR, TSS2_TCTI_RC_NO_CONNECTION, TSS2_ESYS_RC_BAD_SEQUENCE}) {
    EXPECT_EQ(FailTss(rc).error().name, "tpm-absent") << rc;
    EXPECT_EQ(FailTss(rc).error().code, Code::kHardware) << rc;
  }
}

TEST(TssError, FullTpmIsBusyWithTheAdviceToUseTheResourceManager) {
  const Error error = FailTss(TPM2_RC_OBJECT_MEMORY).error();
  EXPECT_EQ(error.name, "tpm-busy");
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_THAT(error.advice, HasSubstr("/dev/tpmrm0"));
}

TEST(TssError, AnythingElseIsAFailureOfTheTpm) {
  for (TSS2_RC rc : {TPM2_RC_INTEGRITY, TPM2_RC_COMMAND_CODE, TSS2_ESYS_RC_RSP_AUTH_FAILED,
                     TSS2_ESYS_RC_BAD_VALUE}) {
    EXPECT_EQ(FailTss(rc).error().name, "tpm-failed") << rc;
    EXPECT_EQ(FailTss(rc).error().code, Code::kHardware) << rc;
    EXPECT_FALSE(FailTss(rc).error().text.empty());
  }
}

TEST(TssOpenError, NamesTheMissingPath) {
  const Error error = FailOpen(TSS2_TCTI_RC_IO_ERROR, "device:/nonexistent/tpm0").error();
  EXPECT_EQ(error.name, "tpm-absent");
  EXPECT_THAT(error.text, HasSubstr("device:/nonexistent/tpm0: No such file"));
  EXPECT_THAT(error.advice, HasSubstr("tpm_tis"));
}

TEST(TssOpenError, ConfWithoutAPathHasTheTsssOwnReason) {
  const Error error = FailOpen(TSS2_TCTI_RC_IO_ERROR, "mssim:host=localhost").error();
  EXPECT_EQ(error.name, "tpm-absent");
  EXPECT_THAT(error.text, HasSubstr("mssim:host=localhost: tcti"));
}

}  // namespace
}  // namespace lodekey::tpm
