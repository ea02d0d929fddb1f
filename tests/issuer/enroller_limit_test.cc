// Who uses up whose share of enrolments.
#include <set>

#include <gtest/gtest.h>

#include "issuer/enroller.h"
#include "tests/issuer/enroller_rig.h"

namespace lodekey::test {
namespace {

constexpr const char* kTooMany = "too-many-enrolments";

class EnrolmentLimit : public EnrollerTest {
 protected:
  EnrolmentLimit()
      : EnrollerTest([](issuer::IssuerConfig& config) {
          config.enrolments_per_second = config.enrolments_per_source = 20;
        }) {}

  Result<node::StartEnrolmentResponse> Start(const node::StartEnrolmentRequest& request) const {
    return enroller.Start(request, kCaller);
  }
  // Asks until the limit is reached; the answers before.
  std::set<std::string> StartUntilRefused(const node::StartEnrolmentRequest& request) const {
    std::set<std::string> answers;
    for (int i = 0; i < 10'000; ++i) {
      const std::string answer = Answer(Start(request));
      if (answer == kTooMany) return answers;
      answers.insert(answer);
    }
    ADD_FAILURE() << "there is no limit";
    return answers;
  }
  Result<node::FinishEnrolmentResponse> Finish(const node::FinishEnrolmentRequest& request) const {
    std::promise<Result<node::FinishEnrolmentResponse>> answer;
    enroller.Finish(request, kCaller, [&](auto result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }

  issuer::Strangers strangers{issuer.config};
  issuer::Enroller enroller{*issuer.context, strangers};
};

TEST_F(EnrolmentLimit, IsNotUsedUpByUnknownEndorsementKeys) {
  Host known;
  Allow(known);
  EXPECT_EQ(StartUntilRefused(Host().Start()), std::set<std::string>{"ek-not-in-inventory"});
  const auto started = Start(known.Start());
  ASSERT_EQ(Answer(started), "STARTED");
  EXPECT_EQ(Answer(Finish(Must(known.Finish(*started)))), "ACCEPTED");
}

// Refusals before the inventory is asked.
TEST_F(EnrolmentLimit, CountsWhatIsOutOfBounds) {
  EXPECT_EQ(StartUntilRefused({}), std::set<std::string>{"request-too-large"});
}

TEST_F(EnrolmentLimit, CountsKeysThatAreNone) {
  Host known;
  Allow(known);
  node::StartEnrolmentRequest malformed = known.Start();
  malformed.mutable_endorsement_keys(0)->set_public_("none");
  EXPECT_EQ(StartUntilRefused(malformed), std::set<std::string>{"public-malformed"});
  EXPECT_EQ(Answer(Start(known.Start())), "STARTED");
}

TEST_F(EnrolmentLimit, IsNotUsedUpByForgedChallenges) {
  Host known;
  Allow(known);
  const auto started = Must(Start(known.Start()));
  const auto honest = Must(known.Finish(started));
  auto forged = honest;
  forged.mutable_sealed_state()->back() ^= 1;
  std::string answer;
  for (int i = 0; i < 10'000 && answer != kTooMany; ++i) {
    answer = Answer(Finish(forged));
    ASSERT_TRUE(answer == "challenge-invalid" || answer == kTooMany) << answer;
  }
  EXPECT_EQ(answer, kTooMany);
  EXPECT_EQ(Answer(Finish(honest)), "ACCEPTED");
}

TEST_F(EnrolmentLimit, IsNotUsedUpByRemovedNodes) {
  Host known;
  Host removed;
  Allow(known);
  Allow(removed);
  Must(issuer.inventory->Remove(removed.id(), "uid 0"));
  EXPECT_EQ(StartUntilRefused(removed.Start()), std::set<std::string>{"node-removed"});
  EXPECT_EQ(Answer(Start(known.Start())), "STARTED");
}

TEST_F(EnrolmentLimit, IsNotUsedUpByWhoeverKnowsTheKeyOfOneNode) {
  Host one;
  Host other;
  Allow(one);
  Allow(other);
  EXPECT_EQ(StartUntilRefused(one.Start()), std::set<std::string>{"STARTED"});
  EXPECT_EQ(Answer(Start(other.Start())), "STARTED");
}

TEST_F(EnrolmentLimit, BoundsKnownNodesTogether) {
  std::vector<Host> hosts(3);
  for (const Host& host : hosts) Allow(host);
  std::string answer;
  while (answer != kTooMany) {
    for (const Host& host : hosts) {
      answer = Answer(Start(host.Start()));
      ASSERT_TRUE(answer == "STARTED" || answer == kTooMany) << answer;
      if (answer == kTooMany) break;
    }
  }
  // The strangers' share is untouched.
  EXPECT_EQ(Answer(Start(Host().Start())), "ek-not-in-inventory");
}

}  // namespace
}  // namespace lodekey::test
