#include "base/grpc_status.h"

#include <gtest/gtest.h>

namespace lodekey {
namespace {

TEST(GrpcStatus, IsTheCanonicalNumber) {
  EXPECT_EQ(GrpcStatusOf(Code::kInvalidArgument), 3);
  EXPECT_EQ(GrpcStatusOf(Code::kNotFound), 5);
  EXPECT_EQ(GrpcStatusOf(Code::kConflict), 10);   // ABORTED
  EXPECT_EQ(GrpcStatusOf(Code::kUntrusted), 16);  // UNAUTHENTICATED
  EXPECT_EQ(GrpcStatusOf(Code::kDenied), 7);      // PERMISSION_DENIED
  EXPECT_EQ(GrpcStatusOf(Code::kUnavailable), 14);
  EXPECT_EQ(GrpcStatusOf(Code::kTimeout), 9);    // FAILED_PRECONDITION
  EXPECT_EQ(GrpcStatusOf(Code::kHardware), 13);  // INTERNAL
  EXPECT_EQ(GrpcStatusOf(Code::kInternal), 13);
}

TEST(GrpcStatus, LeadsBackToTheCode) {
  for (const Code code :
       {Code::kInvalidArgument, Code::kNotFound, Code::kConflict, Code::kUntrusted, Code::kDenied,
        Code::kUnavailable, Code::kTimeout, Code::kInternal}) {
    EXPECT_EQ(CodeOfGrpcStatus(GrpcStatusOf(code)), code) << CodeName(code);
  }
  EXPECT_EQ(CodeOfGrpcStatus(GrpcStatusOf(Code::kHardware)), Code::kInternal);
}

TEST(GrpcStatus, MeansSomethingWhenGrpcItselfGaveIt) {
  EXPECT_EQ(CodeOfGrpcStatus(8), Code::kUnavailable);  // RESOURCE_EXHAUSTED
  EXPECT_EQ(CodeOfGrpcStatus(4), Code::kTimeout);      // DEADLINE_EXCEEDED
  for (const int other : {-1, 1, 2, 12, 15, 17, 1000})
    EXPECT_EQ(CodeOfGrpcStatus(other), Code::kInternal) << other;
}

}  // namespace
}  // namespace lodekey
