// What runs away or is killed, and what is left of it.
#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/issuer/policy_rig.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using ::testing::HasSubstr;

std::set<pid_t> Children() {
  std::set<pid_t> children;
  std::ifstream list("/proc/self/task/" + std::to_string(getpid()) + "/children");
  for (pid_t pid = 0; list >> pid;) children.insert(pid);
  return children;
}

size_t OpenFiles() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

// --- hostile policies ---

// A chain of `count` definitions, each of which needs the next.
std::string Chain(const std::string& head, const std::string& last, int count) {
  std::string body;
  const auto name = [&](int i) { return fmt::format(fmt::runtime(head), i); };
  for (int i = 0; i < count; ++i) body += name(i) + " := " + name(i + 1) + "\n";
  return body + name(count) + " := " + last + "\n";
}

struct Hostile {
  std::string name;
  std::string body;
  std::string error;
};

class HostilePolicy : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostilePolicy, IsDeniedAndNothingElseSuffers) {
  if (kSanitized && GetParam().error == "policy-memory")
    GTEST_SKIP() << "a sanitizer's memory cannot be bounded";
  const auto engine = test::Must(
      Load("decision := harm if input.evil\ndecision := 1 if not input.evil\n" + GetParam().body));
  EXPECT_EQ(test::Must(Ask(*engine)), "1");
  const Error error = ErrorOf(Ask(*engine, R"({"evil": true})"));
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_EQ(error.Name(), GetParam().error) << error.text;
  EXPECT_EQ(test::Must(Ask(*engine)), "1");
}

INSTANTIATE_TEST_SUITE_P(
    Evaluate, HostilePolicy,
    ::testing::Values(
        Hostile{"EndlessRecursion", "f(x) := f(x + 1)\nharm := f(1)", "policy-memory"},
        Hostile{"GreatRange", "harm := count(numbers.range(1, 1000000000))", "policy-memory"},
        Hostile{"WideFormat", "harm := count(sprintf(\"%0999999999d\", [1]))", "policy-memory"},
        Hostile{"ChainOfFunctions", Chain("f{}(x)", "x", 3000) + "harm := f0(1)", "policy-memory"},
        Hostile{"ChainOfRules", Chain("r{}", "1", 3000) + "harm := r0", "policy-memory"},
        Hostile{"ManyLoops",
                "n := numbers.range(1, 1000)\nharm := count([1 | n[_]; n[_]; n[_]; n[_]])",
                "policy-time"},
        Hostile{"GreatNumber", "y := bits.lsh(1, 10000000)\nharm := y * y * y * y", "policy-time"},
        Hostile{"RecursiveRule", "harm := harm", "policy-error"}),
    [](const auto& param) { return param.param.name; });

// --- workers ---

TEST(PolicyEngine, ReplacesAWorkerThatIsKilled) {
  const auto before = Children();
  const auto engine = test::Must(Load("decision := 1"));
  for (int i = 0; i < 3; ++i) {
    for (const pid_t pid : Children()) {
      if (before.contains(pid)) continue;
      ASSERT_EQ(kill(pid, SIGKILL), 0);
      siginfo_t ended = {};
      ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT), 0);
    }
    EXPECT_EQ(test::Must(Ask(*engine)), "1");
  }
}

TEST(PolicyEngine, TakesNoAnswerToAnotherQuestion) {
  auto options = Options();
  options.program = test::ProgramPath("lodekey-late-policy-worker");
  const auto engine = test::Must(PolicyEngine::Load(Bundle("decision := 1"), options));
  const auto before = Children();
  const Error error = ErrorOf(Ask(*engine));
  EXPECT_EQ(error.Name(), "policy-error");
  EXPECT_THAT(error.text, HasSubstr("it is to question 0, and 1 was asked"));
  EXPECT_LT(Children().size(), before.size()) << "who said it is ended";
}

// --- time ---

// Stops and continues the workers of an engine, of which none was there before.
class StoppedWorkers {
 public:
  explicit StoppedWorkers(const std::set<pid_t>& others) {
    for (const pid_t pid : Children())
      if (!others.contains(pid)) pids_.push_back(pid);
    Signal(SIGSTOP);
  }
  ~StoppedWorkers() { Signal(SIGCONT); }
  StoppedWorkers(const StoppedWorkers&) = delete;
  StoppedWorkers& operator=(const StoppedWorkers&) = delete;

 private:
  void Signal(int signal) const {
    for (const pid_t pid : pids_) kill(pid, signal);
  }
  std::vector<pid_t> pids_;
};

// What the process used of a processor until now, in ticks.
uint64_t TicksOf(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;  // proc(5): utime is the 14th field
  uint64_t user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

TEST(PolicyEngine, CountsTimeOnTheProcessorAlone) {
  const auto before = Children();
  auto options = Options();
  options.evaluation_time = std::chrono::seconds(1);
  const auto engine = test::Must(PolicyEngine::Load(
      Bundle("n := numbers.range(1, 700)\ndecision := count([1 | n[_]; n[_]])"), options));
  const auto workers = Children();
  const auto worker = std::ranges::find_if(workers, [&](pid_t p) { return !before.contains(p); });
  ASSERT_NE(worker, workers.end());
  const uint64_t ticks = TicksOf(*worker);
  auto answer = std::async(std::launch::async, [&] { return Ask(*engine); });
  const auto is_done = [&] {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  };
  EXPECT_TRUE(test::Eventually([&] { return TicksOf(*worker) > ticks || is_done(); }));
  {
    const StoppedWorkers stopped(before);
    answer.wait_for(options.evaluation_time + std::chrono::milliseconds(500));
  }
  EXPECT_EQ(test::Must(answer.get()), "490000");
}

TEST(PolicyEngine, WaitsForAWorkerOnlySoLong) {
  const auto before = Children();
  auto options = Options();
  options.busy_time = std::chrono::milliseconds(50);
  const auto engine = test::Must(PolicyEngine::Load(Bundle("decision := 1"), options));
  std::mutex mutex;
  std::vector<Result<std::string>> answers;
  const auto ask = [&] {
    auto answer = Ask(*engine);
    const std::scoped_lock lock(mutex);
    answers.push_back(std::move(answer));
  };
  const auto answered = [&] {
    const std::scoped_lock lock(mutex);
    return answers.size();
  };
  std::optional<StoppedWorkers> stopped(std::in_place, before);
  std::thread one(ask), other(ask);
  EXPECT_TRUE(test::Eventually([&] { return answered() == 1; }));
  stopped.reset();
  one.join();
  other.join();
  EXPECT_EQ(ErrorOf(answers[0]).Name(), kPolicyBusy);
  EXPECT_EQ(ErrorOf(answers[0]).code, Code::kUnavailable);
  EXPECT_EQ(test::Must(answers[1]), "1") << "who has the worker is answered";
}

TEST(PolicyEngine, ACallHasATimeForAllItsInputs) {
  auto options = Options();
  options.call_time = options.evaluation_time;
  const auto engine = test::Must(
      PolicyEngine::Load(Bundle("decision := 1 if not input.slow\n"
                                "decision := 2 if { input.slow; n := numbers.range(1, 1000); "
                                "count([1 | n[_]; n[_]; n[_]; n[_]]) }"),
                         options));
  const std::string quick = "{}", slow = R"({"slow": true})";
  const auto values = engine->Evaluate(kRule, {quick, slow, slow, quick});
  ASSERT_EQ(values.size(), 4U);
  EXPECT_EQ(test::Must(values[0]), "1");
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(ErrorOf(values[i]).Name(), "policy-time") << i;
  EXPECT_EQ(test::Must(Ask(*engine)), "1") << "the next call has its own";
}

TEST(PolicyEngine, LeavesNeitherProcessesNorDescriptors) {
  const auto children = Children();
  const size_t files = OpenFiles();
  {
    auto options = Options();
    options.workers = 3;
    const auto engine = test::Must(
        PolicyEngine::Load(Bundle("f(x) := f(x + 1)\ndecision := f(1)\ntwo := 2"), options));
    EXPECT_EQ(Children().size(), children.size() + 3);
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(Ask(*engine));
    EXPECT_EQ(test::Must(Ask(*engine, "{}", "data.lodekey.issuance.two")), "2");
    EXPECT_FALSE(Load("decision := "));
    EXPECT_LE(Children().size(), children.size() + 3);
  }
  EXPECT_EQ(Children(), children);
  EXPECT_EQ(OpenFiles(), files);
}

// A process with an engine that asks for `input`, then waits; the one worker's number comes by
// `told`.
[[noreturn]] void BeAParent(int told, const std::string& input) {
  const auto engine = Load("y := bits.lsh(1, 10000000)\ndecision := y * y * y * y if input.busy");
  const auto workers = Children();
  const pid_t worker = workers.empty() ? -1 : *workers.begin();
  if (write(told, &worker, sizeof(worker)) < 0) _exit(1);
  if (engine) static_cast<void>(Ask(**engine, input));
  while (true) pause();
}

TEST(PolicyEngine, AWorkerEndsWithItsParent) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  for (const std::string input : {"{}", R"({"busy": true})"}) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    const pid_t parent = fork();
    if (parent == 0) BeAParent(ends[1], input);
    close(ends[1]);
    pid_t worker = -1;
    EXPECT_EQ(read(ends[0], &worker, sizeof(worker)), sizeof(worker));
    close(ends[0]);
    kill(parent, SIGKILL);
    EXPECT_EQ(waitpid(parent, nullptr, 0), parent);
    EXPECT_GT(worker, 0);
    EXPECT_TRUE(test::Eventually([&] { return waitpid(worker, nullptr, WNOHANG) == worker; }));
  }
  EXPECT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

TEST(PolicyEngine, ServesManyThreadsAtOnce) {
  auto options = Options();
  options.workers = 2;
  const auto engine = test::Must(PolicyEngine::Load(Bundle("decision := input.n + 1"), options));
  std::vector<std::thread> threads;
  std::vector<int> right(8, 0);
  for (size_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const auto value = Ask(*engine, fmt::format(R"({{"n": {}}})", i));
        if (value && *value == std::to_string(i + 1)) ++right[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(right, ::testing::Each(50));
}

TEST(PolicyEngine, TwoBundlesDoNotMix) {
  const auto one = test::Must(Load("decision := 1"));
  const auto two = test::Must(Load("decision := 2"));
  EXPECT_EQ(test::Must(Ask(*one)), "1");
  EXPECT_EQ(test::Must(Ask(*two)), "2");
  EXPECT_EQ(test::Must(Ask(*one)), "1");
}

}  // namespace
}  // namespace lodekey::issuer
