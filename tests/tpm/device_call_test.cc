#include "tpm/device_call.h"

#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

namespace lodekey::tpm {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

// Answers of a TPM in order, the last for ever, and the pauses between them.
class Script {
 public:
  explicit Script(std::vector<TSS2_RC> answers) : answers_(std::move(answers)) {}

  Result<void> Run() {
    return RunCommand(
        [this] {
          const size_t at = std::min(calls_++, answers_.size() - 1);
          return answers_[at];
        },
        {.sleep = [this](milliseconds pause) { pauses_.push_back(pause); }});
  }
  size_t calls() const { return calls_; }
  const std::vector<milliseconds>& pauses() const { return pauses_; }

 private:
  std::vector<TSS2_RC> answers_;
  size_t calls_ = 0;
  std::vector<milliseconds> pauses_;
};

TEST(TpmCommand, SuccessNeedsNoPause) {
  Script script({TSS2_RC_SUCCESS});
  EXPECT_TRUE(script.Run());
  EXPECT_EQ(script.calls(), 1u);
  EXPECT_THAT(script.pauses(), IsEmpty());
}

TEST(TpmCommand, PausesDoubleWhileTheTpmAsksForARepetition) {
  Script script({TPM2_RC_RETRY, TPM2_RC_TESTING, TPM2_RC_YIELDED, TSS2_RC_SUCCESS});
  EXPECT_TRUE(script.Run());
  EXPECT_THAT(script.pauses(), ElementsAre(milliseconds(10), milliseconds(20), milliseconds(40)));
}

TEST(TpmCommand, GivesUpAfterFiveSecondsInAll) {
  Script script({TPM2_RC_TESTING});
  const Result<void> result = script.Run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().name, "tpm-busy");
  EXPECT_EQ(result.error().code, Code::kUnavailable);
  const auto total =
      std::accumulate(script.pauses().begin(), script.pauses().end(), milliseconds(0));
  EXPECT_EQ(total, milliseconds(5000));
  EXPECT_EQ(script.calls(), script.pauses().size() + 1);
}

TEST(TpmCommand, RefusalAfterARepetitionIsFinal) {
  Script script({TPM2_RC_RETRY, TPM2_RC_LOCKOUT, TSS2_RC_SUCCESS});
  const Result<void> result = script.Run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().name, "tpm-lockout");
  EXPECT_EQ(script.calls(), 2u);
}

TEST(TpmCommand, FailedAuthorisationIsNeverTriedAgain) {
  for (TSS2_RC rc : {TPM2_RC_AUTH_FAIL, TPM2_RC_BAD_AUTH}) {
    Script script({rc, TSS2_RC_SUCCESS});
    EXPECT_FALSE(script.Run());
    EXPECT_EQ(script.calls(), 1u);
    EXPECT_THAT(script.pauses(), IsEmpty());
  }
}

}  // namespace
}  // namespace lodekey::tpm
