#include "base/guarded.h"

#include <stdexcept>

#include <gtest/gtest.h>

namespace lodekey {
namespace {

TEST(Guarded, GivesBackWhatTheBodyReturns) {
  EXPECT_EQ(Guarded("a body", []() -> Result<int> { return 7; }), 7);
  const auto failed = Guarded("a body", []() -> Result<int> { return Fail(Code::kDenied, "no"); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kDenied);
  EXPECT_EQ(failed.error().text, "no");
}

TEST(Guarded, TurnsWhatIsThrownIntoAnError) {
  const auto thrown = Guarded("a body", []() -> Result<void> { throw std::runtime_error("boom"); });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().code, Code::kInternal);
  EXPECT_EQ(thrown.error().text, "a body threw: boom");
  const auto odd = Guarded("a body", []() -> Result<void> { throw 7; });
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().text, "a body threw what is no exception");
}

}  // namespace
}  // namespace lodekey
