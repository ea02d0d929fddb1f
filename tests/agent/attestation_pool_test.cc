#include "agent/attestation_pool.h"

#include <csignal>
#include <future>
#include <semaphore>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::agent {
namespace {

using test::Must;

using Semaphore = std::counting_semaphore<>;

// Answers when the test lets it, and says which user it saw.
class SlowAttestor final : public Attestor {
 public:
  SlowAttestor(std::shared_future<void> open, uid_t slow, Semaphore& begun)
      : open_(std::move(open)), slow_(slow), begun_(begun) {}
  Result<Attested> Attest(const CallingProcess& caller, const Wanted&) override {
    if (caller.peer->uid == slow_) {
      begun_.release();
      open_.wait();
    }
    if (caller.peer->uid == 666) throw std::runtime_error("broken");
    return Attested{.remarks = {std::to_string(caller.peer->uid)}};
  }

 private:
  std::shared_future<void> open_;
  uid_t slow_;
  Semaphore& begun_;
};

class AttestationPoolTest : public testing::Test {
 protected:
  AttestationPoolTest() {
    AttestationPool::Attestors attestors;
    attestors.push_back(std::make_unique<SlowAttestor>(open_.get_future().share(), kSlow, begun_));
    pool_ = std::make_unique<AttestationPool>(std::move(attestors));
  }
  ~AttestationPoolTest() override { Open(); }
  void Open() {
    if (!std::exchange(opened_, true)) open_.set_value();
  }

  static AttestationPool::Caller Process(pid_t pid, uid_t uid) {
    auto peer = Must(platform::PeerOfPid(pid));
    peer.uid = uid;
    auto caller = std::make_shared<CallingProcess>();
    caller->snapshot = Must(platform::TakeSnapshot(peer));
    caller->peer = std::make_shared<platform::Peer>(std::move(peer));
    return caller;
  }
  // The uid that was attested, or the name of the error.
  std::future<std::string> Attest(const AttestationPool::Caller& caller) {
    auto said = std::make_shared<std::promise<std::string>>();
    pool_->Attest(caller, {}, [said](Result<Attested> attested) {
      said->set_value(attested ? attested->remarks.front() : std::string(attested.error().Name()));
    });
    return said->get_future();
  }
  std::future<std::string> Confirm(const AttestationPool::Caller& caller) {
    return Confirm(*pool_, caller);
  }
  static std::future<std::string> Confirm(AttestationPool& pool,
                                          const AttestationPool::Caller& caller) {
    auto said = std::make_shared<std::promise<std::string>>();
    pool.Confirm(caller, [said](Result<void> same) {
      said->set_value(same ? "same" : std::string(same.error().Name()));
    });
    return said->get_future();
  }

  static constexpr uid_t kSlow = 1000;
  Semaphore begun_{0};  // attestations of kSlow
  std::promise<void> open_;
  bool opened_ = false;
  std::unique_ptr<AttestationPool> pool_;
};

TEST_F(AttestationPoolTest, ServesOthersWhileOneUserKeepsItBusy) {
  std::vector<std::future<std::string>> slow;
  for (int i = 0; i < 16; ++i) slow.push_back(Attest(Process(::getpid(), kSlow)));
  for (uid_t uid = 1; uid <= 8; ++uid)
    EXPECT_EQ(Attest(Process(::getpid(), uid)).get(), std::to_string(uid));
  Open();
  for (auto& one : slow) EXPECT_EQ(one.get(), "1000");
}

TEST_F(AttestationPoolTest, SeesThatAProcessExecutedSomethingElse) {
  auto caller = Process(::getpid(), 1);
  EXPECT_EQ(Confirm(caller).get(), "same");
  auto changed = std::make_shared<CallingProcess>(*caller);
  changed->snapshot.stat.stack += 1;
  EXPECT_EQ(Confirm(changed).get(), "peer-changed");
  EXPECT_EQ(Attest(changed).get(), "peer-changed");
  changed->snapshot = caller->snapshot;
  changed->snapshot.cgroup += "/elsewhere";
  EXPECT_EQ(Confirm(changed).get(), "peer-changed");
}

TEST_F(AttestationPoolTest, SeesThatAProcessHasEnded) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  const auto caller = Process(child, 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(Confirm(caller).get(), "peer-gone");
  EXPECT_EQ(Attest(caller).get(), "peer-gone");
}

TEST_F(AttestationPoolTest, OutlivesAnAttestorThatThrows) {
  EXPECT_EQ(Attest(Process(::getpid(), 666)).get(), "internal");
  EXPECT_EQ(Attest(Process(::getpid(), 1)).get(), "1");
}

TEST_F(AttestationPoolTest, RefusesWhoWaitsWhenItStops) {
  auto first = Attest(Process(::getpid(), kSlow));
  ASSERT_TRUE(begun_.try_acquire_for(std::chrono::seconds(20))) << "the first is under way";
  // Behind the first: one user has one thread.
  auto second = Attest(Process(::getpid(), kSlow));
  auto third = Confirm(Process(::getpid(), kSlow));
  AttestationPool& pool = *pool_;
  std::thread stop([this] { pool_.reset(); });
  // It waits for the first. That it stops is seen by what it says to whoever comes.
  const auto other = Process(::getpid(), 1);
  EXPECT_TRUE(test::Eventually([&] { return Confirm(pool, other).get() == "agent-stopping"; }));
  Open();
  stop.join();
  EXPECT_EQ(first.get(), "1000") << "what is under way is done";
  EXPECT_EQ(second.get(), "agent-stopping");
  EXPECT_EQ(third.get(), "agent-stopping");
}

}  // namespace
}  // namespace lodekey::agent
