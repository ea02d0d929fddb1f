// What runs away or is killed, and what is left of it.
#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <set>
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
