#include "crypto/sealed_box.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

class SealedBox : public testing::Test {
 protected:
  const Secret key_ = Secret::Random(kSealKeySize);
  const Bytes purpose_ = ToBytes("enrolment/1");
  const Bytes plaintext_ = ToBytes("the challenge");
};

TEST_F(SealedBox, OpensUnderTheSameKeyAndPurpose) {
  const Bytes box = Must(Seal(key_, purpose_, plaintext_));
  EXPECT_EQ(box.size(), plaintext_.size() + kSealOverhead);
  EXPECT_EQ(ToBytes(Must(Unseal(key_, purpose_, box)).Reveal()), plaintext_);
}

TEST_F(SealedBox, IsDifferentEveryTime) {
  EXPECT_NE(Must(Seal(key_, purpose_, plaintext_)), Must(Seal(key_, purpose_, plaintext_)));
}

TEST_F(SealedBox, MayBeEmpty) {
  const Bytes box = Must(Seal(key_, {}, {}));
  EXPECT_EQ(box.size(), kSealOverhead);
  EXPECT_TRUE(Must(Unseal(key_, {}, box)).empty());
}

TEST_F(SealedBox, DoesNotOpenWhenAnyBitWasChanged) {
  Bytes box = Must(Seal(key_, purpose_, plaintext_));
  for (size_t i = 0; i < box.size(); ++i) {
    box[i] ^= 1;
    const auto result = Unseal(key_, purpose_, box);
    ASSERT_FALSE(result) << i;
    EXPECT_EQ(result.error().code, Code::kUntrusted);
    box[i] ^= 1;
  }
}

TEST_F(SealedBox, DoesNotOpenWhenCutOrExtended) {
  Bytes box = Must(Seal(key_, purpose_, plaintext_));
  for (size_t size = 0; size < box.size(); ++size) {
    ASSERT_FALSE(Unseal(key_, purpose_, ByteView(box).first(size))) << size;
  }
  box.push_back(0);
  EXPECT_FALSE(Unseal(key_, purpose_, box));
}

TEST_F(SealedBox, DoesNotOpenForAnotherPurposeOrKey) {
  const Bytes box = Must(Seal(key_, purpose_, plaintext_));
  EXPECT_EQ(Unseal(key_, AsBytes("renewal/1"), box).error().code, Code::kUntrusted);
  EXPECT_EQ(Unseal(Secret::Random(kSealKeySize), purpose_, box).error().code, Code::kUntrusted);
}

TEST_F(SealedBox, RefusesAKeyOfAnotherSize) {
  EXPECT_EQ(Seal(Secret::Random(16), {}, {}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(Unseal(Secret(), {}, Bytes(64, 0)).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace lodekey::crypto
