#include "agent/command_queue.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace lodekey::agent {
namespace {

constexpr Duration kNow = Duration(0);

class CommandQueueTest : public testing::Test {
 protected:
  // Asks for work called `name`; what the caller hears is in `heard`, what was done in `done`.
  void Ask(const std::string& name) {
    queue_.Push<std::string>(
        {.reply =
             [this](const Result<std::string>& result) {
               heard_.push_back(result ? *result : std::string(result.error().Name()));
             },
         .gone = [this, name] { return name == gone_ || gone_ == "all"; }},
        [this, name]() -> Result<std::string> {
          done_.push_back(name);
          return "done " + name;
        });
  }
  void Fill() {
    for (size_t i = 0; i < CommandQueue::kMaxWaiting; ++i) Ask(std::to_string(i));
  }
  void RunAll() {
    while (const auto command = queue_.Next(kNow)) (*command)();
  }

  CommandQueue queue_;
  std::string gone_;
  std::vector<std::string> heard_;
  std::vector<std::string> done_;
};

using Names = std::vector<std::string>;

TEST_F(CommandQueueTest, AnswersInTheOrderInWhichItWasAsked) {
  Ask("a");
  Ask("b");
  RunAll();
  EXPECT_EQ(heard_, (Names{"done a", "done b"}));
  EXPECT_FALSE(queue_.Next(kNow)) << "nothing is asked any more";
}

TEST_F(CommandQueueTest, RefusesTheOneTooManyAtOnceAndServesTheOthers) {
  Fill();
  Ask("too many");
  EXPECT_EQ(heard_, Names{"agent-busy"});
  ASSERT_TRUE(queue_.Next(kNow));
  Ask("next");
  EXPECT_EQ(heard_.size(), 1u) << "there is a place again";
}

TEST_F(CommandQueueTest, DoesNothingForACallerWhoHasGone) {
  Ask("a");
  Ask("b");
  gone_ = "a";
  RunAll();
  EXPECT_EQ(done_, Names{"b"});
  EXPECT_EQ(heard_, (Names{"unavailable", "done b"})) << "each is answered, heard or not";
}

TEST_F(CommandQueueTest, ThePlacesOfThoseWhoHaveGoneAreForOthers) {
  Fill();
  gone_ = "all";
  Ask("new");
  EXPECT_EQ(heard_, Names(CommandQueue::kMaxWaiting, "unavailable"));
  gone_ = "";
  RunAll();
  EXPECT_EQ(done_, Names{"new"});
}

TEST_F(CommandQueueTest, StopRefusesWhoWaitsAndWhoComesLater) {
  Ask("a");
  queue_.Stop();
  Ask("b");
  EXPECT_EQ(heard_, (Names{"agent-stopping", "agent-stopping"}));
  EXPECT_TRUE(queue_.stopped());
  EXPECT_FALSE(queue_.Next(std::chrono::hours(1))) << "and does not wait";
  EXPECT_TRUE(done_.empty());
}

TEST_F(CommandQueueTest, ALoopThatWaitsIsWokenByACommandAndByStop) {
  std::thread loop([this] {
    while (!queue_.stopped()) {
      if (const auto command = queue_.Next(std::chrono::hours(1))) {
        (*command)();
        queue_.Stop();
      }
    }
  });
  Ask("a");
  loop.join();
  EXPECT_EQ(done_, Names{"a"});
}

TEST_F(CommandQueueTest, DoesWhatTheAgentsOwnPartsAskForHoweverManyWait) {
  Fill();
  queue_.Post([this] { done_.push_back("posted"); });
  Ask("one more");
  EXPECT_EQ(heard_, std::vector<std::string>{"agent-busy"});
  RunAll();
  EXPECT_EQ(done_.size(), CommandQueue::kMaxWaiting + 1);
  EXPECT_EQ(done_.back(), "posted");
  queue_.Stop();
  queue_.Post([this] { done_.push_back("late"); });
  RunAll();
  EXPECT_EQ(done_.back(), "posted");
}

}  // namespace
}  // namespace lodekey::agent
