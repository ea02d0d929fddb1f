// Two hundred processes under two hundred users that connect, ask and die at random, in both ways
// of pinning a caller. LODEKEY_STORM_SECONDS makes it longer.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <random>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/agent/raw_call.h"
#include "tests/agent/workload_rig.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using platform::PeerMode;
using What = Heard::What;

constexpr uid_t kFirst = 52000;
constexpr uid_t kUsers = 200;
constexpr int kThreads = 4;

std::chrono::seconds Length() {
  const char* seconds = std::getenv("LODEKEY_STORM_SECONDS");
  return std::chrono::seconds(seconds == nullptr ? 4 : std::atoi(seconds));
}

size_t OpenFiles() {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

// What one thread saw.
struct Tally {
  size_t right = 0;
  size_t ended = 0;
  std::vector<std::string> wrong = {};
};

class Slot {
 public:
  explicit Slot(uid_t uid) : uid_(uid) {}

  // Does one thing that a process may do, by chance.
  void Act(const WorkloadRig& rig, std::mt19937& chance, Tally& tally) {
    if (!call_) return Connect(rig);
    switch (chance() % 6) {
      case 0: call_.reset(); return;             // dies, whatever it waits for
      case 1: call_->Kill(); return Ask(tally);  // dies, and a relative goes on
      case 2: call_->Go(); return Ask(tally);    // executes something else
      default: return Ask(tally);
    }
  }

 private:
  void Connect(const WorkloadRig& rig) {
    RawCall::Caller caller;
    caller.before = [uid = uid_] {
      if (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0 ||
          ::setresuid(uid, uid, uid) != 0)
        ::_exit(125);
    };
    caller.after = [] { ::execl("/bin/sleep", "sleep", "600", nullptr); };
    call_.emplace(rig.socket(), caller);
    asked_ = false;
  }
  void Ask(Tally& tally) {
    if (!asked_) call_->Ask();
    const Heard heard = call_->Hear(std::exchange(asked_, true) ? 0 : 20);
    if (heard.what == What::kMessage && heard.text == WorkloadRig::IdOf(uid_)) ++tally.right;
    if (heard.what == What::kMessage && heard.text != WorkloadRig::IdOf(uid_))
      tally.wrong.push_back(fmt::format("{} heard '{}'", uid_, heard.text));
    if (heard.what != What::kEnd && heard.what != What::kClosed) return;
    ++tally.ended;
    call_.reset();
  }

  const uid_t uid_;
  std::optional<RawCall> call_;
  bool asked_ = false;
};

class WorkloadStormTest : public testing::TestWithParam<PeerMode> {};

TEST_P(WorkloadStormTest, GivesNobodyAWrongIdentityAndLeavesNothingBehind) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become other users";
  WorkloadRig rig(GetParam());
  std::vector<agent::EntryPtr> entries;
  for (uid_t uid = kFirst; uid < kFirst + kUsers; ++uid)
    entries.push_back(WorkloadRig::EntryOf(uid));
  rig.SetEntries(entries);
  {
    RawCall first(rig.socket());  // gRPC opens files of its own at the first call
    first.AskAndHear();
  }
  ASSERT_TRUE(Eventually([&] { return rig.server->connections() == 0; }));
  const size_t files = OpenFiles();

  const auto end = std::chrono::steady_clock::now() + Length();
  std::array<Tally, kThreads> tallies;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 chance(static_cast<unsigned>(t));
      std::vector<std::unique_ptr<Slot>> slots;
      for (uid_t uid = kFirst + static_cast<uid_t>(t); uid < kFirst + kUsers; uid += kThreads)
        slots.push_back(std::make_unique<Slot>(uid));
      while (std::chrono::steady_clock::now() < end)
        slots[chance() % slots.size()]->Act(rig, chance, tallies[static_cast<size_t>(t)]);
    });
  }
  // Meanwhile everything is renewed, and entries come and go.
  for (bool half = false; std::chrono::steady_clock::now() < end; half = !half) {
    rig.Renew();
    rig.SetEntries(half ? std::vector(entries.begin(), entries.begin() + kUsers / 2) : entries);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  threads.clear();

  Tally all;
  for (Tally& tally : tallies) {
    all.right += tally.right;
    all.ended += tally.ended;
    for (std::string& one : tally.wrong) all.wrong.push_back(std::move(one));
  }
  RecordProperty("right", static_cast<int>(all.right));
  RecordProperty("ended", static_cast<int>(all.ended));
  fmt::print("{} identities, {} calls ended\n", all.right, all.ended);
  EXPECT_TRUE(all.wrong.empty()) << all.wrong.size() << ", first: " << all.wrong.front();
  EXPECT_GT(all.right, 0u);
  EXPECT_GT(all.ended, 0u);
  EXPECT_TRUE(Eventually([&] { return rig.server->connections() == 0; }));
  EXPECT_TRUE(Eventually([&] { return rig.server->users() == 0; }));
  EXPECT_TRUE(Eventually([&] { return OpenFiles() <= files; }))
      << OpenFiles() << " open files, " << files << " before";
}

INSTANTIATE_TEST_SUITE_P(BothWays, WorkloadStormTest,
                         testing::Values(PeerMode::kPidfd, PeerMode::kPid), [](const auto& test) {
                           return test.param == PeerMode::kPidfd ? "ByPeerPidfd" : "ByPid";
                         });

}  // namespace
}  // namespace lodekey::test
