#include "issuer/work_pool.h"

#include <future>
#include <memory>
#include <semaphore>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/support/program.h"

namespace lodekey::issuer {
namespace {

using enum WorkKind;
using Semaphore = std::counting_semaphore<>;
using Answer = std::future<std::string>;

class WorkPoolTest : public testing::Test {
 protected:
  ~WorkPoolTest() override { Open(); }
  void Open() {
    if (!std::exchange(opened_, true)) open_.set_value();
  }

  // Work that goes on until Open; its answer is the name of the error, "" when it was done.
  Answer Slow(WorkKind kind, const std::string& user, size_t bytes = 0) {
    return Serve(kind, user, bytes, [this, opened = opening_] {
      begun_.release();
      opened.wait();
    });
  }
  Answer Quick(WorkKind kind, const std::string& user, size_t bytes = 0) {
    return Serve(kind, user, bytes, [] {});
  }
  void AwaitBegun(int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(begun_.try_acquire_for(std::chrono::seconds(20))) << i << " of " << count;
  }

  std::unique_ptr<WorkPool> pool_ = std::make_unique<WorkPool>(
      WorkPoolOptions{.threads = 4, .waiting = 8, .waiting_bytes = 1000, .waiting_of_user = 4});
  Semaphore begun_{0};

 private:
  Answer Serve(WorkKind kind, const std::string& user, size_t bytes, std::function<void()> work) {
    auto answer = std::make_shared<std::promise<std::string>>();
    pool_->Serve({.kind = kind, .user = user, .bytes = bytes},
                 [answer, work = std::move(work)](const Result<void>& turn) {
                   if (turn) work();
                   answer->set_value(turn ? "" : std::string(turn.error().Name()));
                 });
    return answer->get_future();
  }

  std::promise<void> open_;
  std::shared_future<void> opening_ = open_.get_future().share();
  bool opened_ = false;
};

TEST_F(WorkPoolTest, ServesOthersWhileOneKeepsItBusy) {
  std::vector<Answer> slow;
  for (int i = 0; i < 4; ++i) slow.push_back(Slow(kIssuance, "busy"));
  AwaitBegun(1);
  for (const char* user : {"a", "b", "c"}) EXPECT_EQ(Quick(kIssuance, user).get(), "");
  EXPECT_EQ(Quick(kAttestation, "busy").get(), "") << "its attestation waits for no issuance";
  Open();
  for (Answer& answer : slow) EXPECT_EQ(answer.get(), "");
}

// Of four threads two are left by issuance, and of these one by enrolment.
TEST_F(WorkPoolTest, EachKindLeavesAThreadToThoseBeforeIt) {
  std::vector<Answer> slow;
  for (const char* user : {"a", "b", "c", "d"}) slow.push_back(Slow(kIssuance, user));
  AwaitBegun(2);
  EXPECT_EQ(Quick(kEnrolment, "x").get(), "");
  for (const char* user : {"a", "b", "c", "d"}) slow.push_back(Slow(kEnrolment, user));
  AwaitBegun(1);
  EXPECT_EQ(Quick(kAttestation, "x").get(), "");
  EXPECT_FALSE(begun_.try_acquire()) << "two and one are under way, and no more";
  Open();
  for (Answer& answer : slow) EXPECT_EQ(answer.get(), "");
}

TEST_F(WorkPoolTest, RefusesWhatIsTooMuch) {
  std::vector<Answer> slow;
  for (const char* user : {"a", "b"}) slow.push_back(Slow(kIssuance, user));
  AwaitBegun(2);
  for (int i = 0; i < 4; ++i) slow.push_back(Slow(kIssuance, "a"));
  EXPECT_EQ(Quick(kIssuance, "a").get(), kTooManyWaiting) << "four of a user wait";
  for (int i = 0; i < 4; ++i) slow.push_back(Slow(kIssuance, "b"));
  EXPECT_EQ(Quick(kIssuance, "c").get(), kTooManyWaiting) << "eight wait";
  EXPECT_EQ(Quick(kAttestation, "a").get(), "") << "the other kinds have room of their own";
  Open();
  for (Answer& answer : slow) EXPECT_EQ(answer.get(), "");
  EXPECT_EQ(Quick(kIssuance, "a").get(), "") << "once they are served there is room again";
}

// What is under way waits no longer.
TEST_F(WorkPoolTest, BoundsTheBytesThatWait) {
  std::vector<Answer> slow;
  for (const char* user : {"a", "b"}) {
    slow.push_back(Slow(kIssuance, user, 900));
    AwaitBegun(1);
  }
  slow.push_back(Slow(kIssuance, "c", 900));
  EXPECT_EQ(Quick(kIssuance, "d", 101).get(), kTooManyWaiting);
  slow.push_back(Slow(kIssuance, "d", 100));
  Open();
  for (Answer& answer : slow) EXPECT_EQ(answer.get(), "");
  EXPECT_EQ(Quick(kIssuance, "d", 1000).get(), "");
}

TEST_F(WorkPoolTest, OutlivesWorkThatThrows) {
  for (int i = 0; i < 4; ++i)
    pool_->Serve({.user = std::to_string(i)},
                 [](const Result<void>&) { throw std::runtime_error("broken"); });
  EXPECT_EQ(Quick(kIssuance, "a").get(), "");
}

TEST_F(WorkPoolTest, RefusesWhoWaitsWhenItStops) {
  Answer first = Slow(kIssuance, "a");
  AwaitBegun(1);
  // Behind the first: of four threads one user has one.
  Answer second = Quick(kIssuance, "a"), third = Quick(kIssuance, "a");
  std::thread stop([this] { pool_->Stop(); });
  // It waits for the first. That it stops is seen by what it says to whoever comes.
  EXPECT_TRUE(
      test::Eventually([&] { return Quick(kAttestation, "b").get() == "issuer-stopping"; }));
  Open();
  stop.join();
  EXPECT_EQ(first.get(), "") << "what is under way is done";
  EXPECT_EQ(second.get(), "issuer-stopping");
  EXPECT_EQ(third.get(), "issuer-stopping");
}

}  // namespace
}  // namespace lodekey::issuer
