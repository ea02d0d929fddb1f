#include "base/result.h"

#include <gtest/gtest.h>

namespace lodekey {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) {
    return Fail(Code::kInvalidArgument, "the number is odd",
                {.name = "odd-number", .advice = "Give an even one."});
  }
  return number / 2;
}

Result<int> Quarter(int number) {
  ASSIGN_OR_RETURN(const int half, Half(number), "first halving");
  ASSIGN_OR_RETURN(const int quarter, Half(half), "second halving");
  return quarter;
}

Result<void> CheckEven(int number) {
  RETURN_IF_ERROR(Half(number), "check");
  return {};
}

TEST(Result, CarriesTheValueThroughTheMacros) {
  EXPECT_EQ(Quarter(12), 3);
  EXPECT_TRUE(CheckEven(4));
}

TEST(Result, PutsTheContextInFrontAndKeepsNameAndAdvice) {
  const auto result = Quarter(6);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text, "second halving: the number is odd");
  EXPECT_EQ(result.error().Name(), "odd-number");
  EXPECT_EQ(result.error().advice, "Give an even one.");
  EXPECT_EQ(CheckEven(3).error().text, "check: the number is odd");
}

TEST(Result, RemembersWhereItFailed) {
  const auto result = Half(1);
  EXPECT_STREQ(result.error().where.function_name(),
               "lodekey::Result<int> lodekey::{anonymous}::Half(int)");
}

TEST(Error, IsNamedByItsCodeWhenTheSituationHasNoName) {
  EXPECT_EQ(Error{.code = Code::kNotFound}.Name(), "not-found");
}

TEST(Error, SaysWhenARetryHelps) {
  EXPECT_EQ(RetryFor(Code::kUnavailable), Retry::kSoon);
  EXPECT_EQ(RetryFor(Code::kTimeout), Retry::kSoon);
  EXPECT_EQ(RetryFor(Code::kDenied), Retry::kLater);
  EXPECT_EQ(RetryFor(Code::kUntrusted), Retry::kReenrol);
  EXPECT_EQ(RetryFor(Code::kInvalidArgument), Retry::kNever);
}

}  // namespace
}  // namespace lodekey
