#include "agent/entry_watch.h"

#include "tests/agent/svid_rig.h"

namespace lodekey::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using test::FakeIssuer;
using test::Refusal;
using test::Unreachable;

class EntryWatchTest : public test::SvidRig {
 protected:
  static lodekey::node::v1::Bundle Known(uint64_t sequence = 1) {
    lodekey::node::v1::Bundle bundle;
    bundle.set_sequence(sequence);
    return bundle;
  }
  void Start(const std::string& serial = "first") {
    watch_.Start(serial, Known());
    Proceed();
  }
  // Until nothing is due at this moment; how long that is.
  Duration Proceed() {
    Duration rest{};
    while (rest == Duration(0)) rest = watch_.Proceed();
    return rest;
  }
  std::string EntriesInBook() {
    std::string ids;
    for (const auto& distance : book_.Explain({})) ids += distance.entry->id;
    return ids;
  }
  static Error Ended(const std::string& name = "watch-ended") {
    return {.code = Code::kUnavailable, .text = "over", .name = name};
  }

  std::vector<uint64_t> bundles_;
  std::vector<std::string> refusals_;
  EntryWatch watch_{
      book_,
      issuer_,
      "example.org",
      retries_,
      {.wake = [] {},
       .received = [this](const auto& bundle) { bundles_.push_back(bundle.sequence()); },
       .refused = [this](const Error& error) { refusals_.push_back(error.name); }}};
};

TEST_F(EntryWatchTest, OpensNothingWithoutAnIdentity) {
  EXPECT_GT(Proceed(), seconds(10));
  EXPECT_EQ(issuer_.opened_streams(), 0U);
}

TEST_F(EntryWatchTest, PutsWhatComesIntoTheBook) {
  Start();
  EXPECT_EQ(issuer_.open_streams(), 1U);
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(EntriesInBook(), "a");
  issuer_.Push({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 1)}, 2);
  EXPECT_EQ(EntriesInBook(), "ab");
  EXPECT_EQ(bundles_, (std::vector<uint64_t>{1, 2}));
  Start();
  EXPECT_EQ(issuer_.opened_streams(), 1U) << "the identity is the same";
}

TEST_F(EntryWatchTest, KeepsTheNewerBundleWhenAnOlderOneComesAndTakesTheEntries) {
  Start();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)}, 7);
  issuer_.Push({FakeIssuer::EntryOf("b", 1)}, 6);
  EXPECT_EQ(EntriesInBook(), "b");
  EXPECT_EQ(book_.bundle()->sequence, 7U);
  EXPECT_EQ(bundles_, (std::vector<uint64_t>{7, 7}));
}

TEST_F(EntryWatchTest, StartsFromTheBundleThatWasStored) {
  watch_.Start("first", issuer_.Message({}, 9).bundle());
  Proceed();
  issuer_.Push({}, 3);
  EXPECT_EQ(book_.bundle()->sequence, 9U);
}

TEST_F(EntryWatchTest, LeavesTheBookAloneWhenWhatComesMeansNothing) {
  Start();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)}, 1);
  auto message = issuer_.Message({}, 2);
  message.mutable_bundle()->set_roots(0, "no certificate");
  issuer_.Push(message);
  EXPECT_EQ(EntriesInBook(), "a");
  EXPECT_EQ(book_.bundle()->sequence, 1U);
  issuer_.Push({FakeIssuer::EntryOf("b", 1)}, 1);
  EXPECT_EQ(EntriesInBook(), "b") << "what could not be read set no mark";
}

TEST_F(EntryWatchTest, MovesToTheConnectionOfANewIdentityWithoutAGap) {
  Start();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  Start("second");
  EXPECT_EQ(issuer_.opened_streams(), 2U);
  EXPECT_EQ(issuer_.open_streams(), 1U) << "the one before is ended";
  EXPECT_EQ(EntriesInBook(), "a");
}

TEST_F(EntryWatchTest, ReconnectsAtOnceWhenAStreamThatWasHeardEnds) {
  Start();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  issuer_.End(Ended());
  Proceed();
  EXPECT_EQ(issuer_.open_streams(), 1U);
  EXPECT_EQ(EntriesInBook(), "a") << "what was known stays";
  issuer_.End(Ended());
  EXPECT_EQ(Proceed(), seconds(1)) << "nothing was heard: half of the first wait at least";
  EXPECT_EQ(issuer_.open_streams(), 0U);
  Pass(seconds(1));
  EXPECT_GT(Proceed(), seconds(10));
  EXPECT_EQ(issuer_.open_streams(), 1U);
}

TEST_F(EntryWatchTest, WaitsLongerEachTimeAndTellsWhoeverLosesPatienceWhy) {
  issuer_.unreachable = Unreachable();
  Start();
  EXPECT_EQ(Proceed(), seconds(1));
  Pass(seconds(1));
  EXPECT_EQ(Proceed(), seconds(2));
  ASSERT_TRUE(book_.problem());
  EXPECT_EQ(book_.problem()->name, "issuer-unreachable");
  issuer_.unreachable.reset();
  Start();
  EXPECT_EQ(issuer_.open_streams(), 1U) << "the issuer was heard of elsewhere";
}

TEST_F(EntryWatchTest, SaysThatTheNodeIsRefusedAndDoesNotComeBackUntilItIsAcceptedAgain) {
  for (const std::string name : {"node-refused", "node-removed", "node-quarantined"}) {
    Start(name);
    issuer_.Push({FakeIssuer::EntryOf("a", 1)});
    issuer_.End(Refusal(name));
    EXPECT_EQ(refusals_.back(), name);
    Pass(minutes(10));
    EXPECT_EQ(Proceed(), minutes(1));
    EXPECT_EQ(issuer_.open_streams(), 0U) << name;
  }
  Start("node-quarantined");
  EXPECT_EQ(issuer_.open_streams(), 1U);
}

TEST_F(EntryWatchTest, DoesNotRunInCirclesBetweenAnIssuerThatAcceptsAndOneThatRefuses) {
  Start();
  issuer_.End(Refusal("node-refused"));
  Start();
  EXPECT_EQ(issuer_.open_streams(), 0U);
  EXPECT_EQ(Proceed(), seconds(1));
  Pass(seconds(1));
  Proceed();
  EXPECT_EQ(issuer_.open_streams(), 1U);
}

TEST_F(EntryWatchTest, LeavesANewerStreamOfTheSameNodeAlone) {
  Start();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  issuer_.End(Ended("watch-superseded"));
  EXPECT_EQ(Proceed(), minutes(1));
  Start();
  EXPECT_EQ(issuer_.open_streams(), 0U) << "also when the issuer is heard of elsewhere";
  EXPECT_EQ(EntriesInBook(), "a");
  EXPECT_TRUE(refusals_.empty());
  Pass(minutes(5));
  Proceed();
  EXPECT_EQ(issuer_.open_streams(), 1U);
}

TEST_F(EntryWatchTest, SaysNothingMoreWhenItIsStopped) {
  Start();
  watch_.Stop();
  issuer_.Push({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(EntriesInBook(), "");
  issuer_.End(Refusal("node-refused"));
  EXPECT_TRUE(refusals_.empty());
  EXPECT_TRUE(bundles_.empty());
  Proceed();
  EXPECT_EQ(issuer_.open_streams(), 0U);
}

}  // namespace
}  // namespace lodekey::agent
