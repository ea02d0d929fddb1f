// The parts together, on their own thread and by real clocks.
#include "agent/workloads.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

#include "platform/clock.h"
#include "tests/agent/fake_issuer.h"
#include "tests/support/program.h"

namespace lodekey::agent {
namespace {

using std::chrono::milliseconds;
using test::Eventually;
using test::FakeIssuer;
using test::HeldBy;

class WorkloadsTest : public testing::Test {
 protected:
  void Serve(const std::string& serial = "first") {
    workloads_.Serve({.serial = serial, .owner = {}, .bundle = {}});
    ASSERT_TRUE(Eventually([&] { return issuer_.open_streams() == 1; }));
  }
  // What a process of this user is told in the end: "a", or the name of an error.
  std::string Ask(int uid) {
    std::promise<std::string> told;
    std::atomic<bool> answered = false;
    const auto watcher = workloads_.book().Watch(
        HeldBy(uid), SvidBook::Need::kX509Svids, [&](const Result<Identities>& identities) {
          if (answered.exchange(true)) return;
          told.set_value(identities ? identities->svids.front().entry->id
                                    : std::string(identities.error().Name()));
        });
    return told.get_future().get();
  }
  std::string AskToken(int uid) {
    std::promise<std::string> told;
    workloads_.tokens().Fetch(
        HeldBy(uid), {.audiences = {"db"}}, "", [&](Result<std::vector<HeldJwt>> held) {
          told.set_value(held ? held->front().entry->id : std::string(held.error().Name()));
        });
    return told.get_future().get();
  }

  FakeIssuer issuer_{platform::Now};
  std::atomic<int> refusals_ = 0;
  std::atomic<uint64_t> bundle_ = 0;
  Workloads workloads_{issuer_,
                       {.trust_domain = "example.org",
                        .retries = {.first = milliseconds(20),
                                    .max = milliseconds(100),
                                    .uptime = platform::Uptime,
                                    .random = [] { return 0U; }},
                        .now = platform::Now},
                       {.evidence_wanted = [](const auto&) {},
                        .refused = [this](const Error&) { ++refusals_; },
                        .bundle = [this](const auto& bundle) { bundle_ = bundle.sequence(); }}};
};

TEST_F(WorkloadsTest, GiveEachProcessWhatItsEntriesSay) {
  Serve();
  issuer_.Push({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 2)}, 5);
  EXPECT_EQ(Ask(1), "a");
  EXPECT_EQ(AskToken(2), "b");
  EXPECT_EQ(Ask(3), "no-identity");
  EXPECT_EQ(bundle_, 5U);
}

TEST_F(WorkloadsTest, AnswerThoseWhoAskedBeforeTheEntriesWereKnown) {
  auto early = std::async(std::launch::async, [&] { return Ask(1); });
  auto token = std::async(std::launch::async, [&] { return AskToken(1); });
  Serve();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(early.get(), "a");
  EXPECT_EQ(token.get(), "a");
}

TEST_F(WorkloadsTest, GiveNothingMoreOnceTheIssuerRefusesTheNode) {
  Serve();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(Ask(1), "a");
  issuer_.End({.code = Code::kDenied, .text = "refused", .name = "node-refused"});
  EXPECT_EQ(Ask(1), "node-refused");
  EXPECT_EQ(AskToken(1), "node-refused");
  EXPECT_EQ(refusals_, 1);
  workloads_.Withdraw({.code = Code::kUnavailable, .text = "no answer", .name = "unreachable"});
  EXPECT_EQ(Ask(1), "node-refused") << "that it cannot be asked now is no better reason";
  Serve("second");
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(Ask(1), "a");
}

TEST_F(WorkloadsTest, LearnOfARefusalFromAnIssuanceToo) {
  Serve();
  issuer_.unreachable = {.code = Code::kDenied, .text = "removed", .name = "node-removed"};
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(Ask(1), "node-removed");
  ASSERT_TRUE(Eventually([&] { return refusals_ == 1; }));
  ASSERT_TRUE(Eventually([&] { return issuer_.open_streams() == 0; }));
}

TEST_F(WorkloadsTest, GoOnGivingWhatIsHeldWhenTheNodeHasNoIdentityForTheMoment) {
  Serve();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(Ask(1), "a");
  workloads_.Pause({.code = Code::kUnavailable, .text = "expired", .name = "expired"});
  ASSERT_TRUE(Eventually([&] { return issuer_.open_streams() == 0; }));
  EXPECT_EQ(Ask(1), "a");
  EXPECT_EQ(AskToken(1), "expired");
}

}  // namespace
}  // namespace lodekey::agent
