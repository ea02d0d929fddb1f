#include "crypto/ssl_error.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>

namespace lodekey::crypto {
namespace {

Result<void> Failed(std::string_view what) { return FailSsl(Code::kUntrusted, what); }

TEST(FailSsl, PutsTheWholeQueueIntoTheTextAndEmptiesIt) {
  ERR_clear_error();
  ERR_raise(ERR_LIB_EVP, EVP_R_DECODE_ERROR);
  ERR_raise_data(ERR_LIB_EVP, EVP_R_BAD_DECRYPT, "block %d", 7);
  const auto result = Failed("read it");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kUntrusted);
  EXPECT_EQ(result.error().text, "read it: decode error; bad decrypt (block 7)");
  const Detail detail = result.error().detail.value_or(Detail{});
  EXPECT_EQ(detail.source, Detail::Source::kOpenSsl);
  EXPECT_EQ(ERR_GET_REASON(detail.number), EVP_R_DECODE_ERROR);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(FailSsl, SaysWhatWasTriedWhenTheQueueIsEmpty) {
  ERR_clear_error();
  const auto result = Failed("set issuer");
  EXPECT_EQ(result.error().text, "set issuer");
  EXPECT_FALSE(result.error().detail);
}

TEST(FailSsl, BoundsTheTextAndStillEmptiesTheQueue) {
  for (int i = 0; i < 15; ++i) ERR_raise(ERR_LIB_EVP, EVP_R_DECODE_ERROR);
  const auto result = Failed("x");
  EXPECT_LT(result.error().text.size(), 200u);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(FailSsl, NamesAnUnknownReasonByItsNumber) {
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 999);
  EXPECT_NE(Failed("x").error().text.find("error "), std::string::npos);
}

TEST(SslCheck, TakesOneAloneForSuccess) {
  ERR_clear_error();
  EXPECT_TRUE(SslCheck(1, "x"));
  for (int rc : {0, -1, -2, 2}) {
    const auto result = SslCheck(rc, "set issuer");
    ASSERT_FALSE(result) << rc;
    EXPECT_EQ(result.error().code, Code::kInternal);
    EXPECT_EQ(result.error().text, "set issuer");
  }
}

TEST(SslCheck, RemembersTheCaller) {
  const auto result = SslCheck(0, "x");
  EXPECT_NE(std::string_view(result.error().where.file_name()).find("ssl_error_test.cc"),
            std::string_view::npos);
}

}  // namespace
}  // namespace lodekey::crypto
