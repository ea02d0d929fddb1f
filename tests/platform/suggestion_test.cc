#include "platform/suggestion.h"

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

const std::vector<std::string> kKeys = {"issuer", "issuer_pins", "tpm.tcti", "retry.max"};

TEST(Suggestion, FindsTheNearestWithinTwoEdits) {
  EXPECT_EQ(SuggestFor("isuer", kKeys), "issuer");
  EXPECT_EQ(SuggestFor("issuers", kKeys), "issuer");
  EXPECT_EQ(SuggestFor("issuer_pin", kKeys), "issuer_pins");
  EXPECT_EQ(SuggestFor("tpm.tcit", kKeys), "tpm.tcti");
}

TEST(Suggestion, FindsAKeyUnderTheWrongTable) {
  EXPECT_EQ(SuggestFor("tpm.issuer", kKeys), "issuer");
  EXPECT_EQ(SuggestFor("tcti", kKeys), "tpm.tcti");
  EXPECT_EQ(SuggestFor("x.max", {"retry.max", "log.max"}), std::nullopt) << "not the only one";
}

TEST(Suggestion, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(SuggestFor("colour", kKeys), std::nullopt);
  EXPECT_EQ(SuggestFor("", kKeys), std::nullopt);
  EXPECT_EQ(SuggestFor("zz", {"ab"}), std::nullopt) << "two edits replace all of it";
  EXPECT_EQ(SuggestFor(std::string(100000, 'i'), kKeys), std::nullopt);
}

}  // namespace
}  // namespace lodekey::platform
