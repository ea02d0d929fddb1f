#include "issuer/entry_feed.h"

#include <gtest/gtest.h>

#include "tests/issuer/issuer_fixture.h"
#include "tests/issuer/workload.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using issuer::EntryFeed;
using issuer::Standing;
using std::chrono::hours;
using std::chrono::seconds;

// What a node's stream was given.
class Watcher final : public issuer::EntryWatcher {
 public:
  void Push(const std::string& set) override {
    const std::scoped_lock lock(mutex_);
    EXPECT_TRUE(last_.ParseFromString(set));
    ++pushed_;
  }
  void End(const Error& reason) override {
    const std::scoped_lock lock(mutex_);
    ended_ = std::string(reason.Name());
  }

  int pushed() const {
    const std::scoped_lock lock(mutex_);
    return pushed_;
  }
  std::string ended() const {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }
  // The paths of the identities of the last set, with blanks between.
  std::string paths() const {
    const std::scoped_lock lock(mutex_);
    std::string text;
    for (const auto& entry : last_.entries())
      text += (text.empty() ? "" : " ") + entry.spiffe_id().substr(21);
    return text;
  }
  node::EntrySet last() const {
    const std::scoped_lock lock(mutex_);
    return last_;
  }

 private:
  mutable std::mutex mutex_;
  node::EntrySet last_;
  int pushed_ = 0;
  std::string ended_;
};

class EntryFeedTest : public testing::Test {
 protected:
  EntryFeedTest() {
    issuer.Admit(host);
    issuer.Admit(other);
  }
  // Begins with what is stored by then.
  void Open() { feed = std::make_unique<EntryFeed>(*issuer.context); }
  std::shared_ptr<Watcher> Watch(const Host& watching) {
    auto watcher = std::make_shared<Watcher>();
    feed->Watch(watching.id(), watcher);
    EXPECT_TRUE(Eventually([&] { return watcher->pushed() == 1 || !watcher->ended().empty(); }));
    return watcher;
  }
  attest::Entry Add(const std::string& path, const attest::NodeScope& scope) {
    attest::Entry entry = EntryFor(host, path);
    entry.scope = scope;
    entry = issuer.Put(entry);
    if (feed) feed->EntriesChanged({entry.id});
    return entry;
  }
  void Stand(const Host& changed, Standing standing) {
    Must(issuer.database->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
      ASSIGN_OR_RETURN(auto record, transaction.FindNode(changed.id()), "node");
      record->standing = standing;
      return transaction.PutNode(*record);
    }));
    feed->NodeChanged(changed.id());
  }
  static bool Shows(const Watcher& watcher, const std::string& paths) {
    return Eventually([&] { return watcher.paths() == paths; });
  }
  // Whatever was told before has been handled.
  void Settle() {
    const auto last = std::make_shared<Watcher>();
    Host stranger;
    feed->Watch(stranger.id(), last);
    EXPECT_TRUE(Eventually([&] { return !last->ended().empty(); }));
    feed->Leave(stranger.id(), last.get());
  }

  IssuerRig issuer;
  Host host;
  Host other;
  std::unique_ptr<EntryFeed> feed;
};

TEST_F(EntryFeedTest, GivesTheNodesOwnEntriesAndTheBundleAtOnce) {
  Add("web", {.nodes = {host.id()}});
  Add("db", {.nodes = {other.id()}});
  Open();
  const auto watcher = Watch(host);
  EXPECT_EQ(watcher->paths(), "web");
  EXPECT_EQ(watcher->last().bundle().jwt_keys_size(), 2);
  EXPECT_EQ(Watch(other)->paths(), "db");
}

TEST_F(EntryFeedTest, GivesAnEmptySetToANodeWithoutEntries) {
  Open();
  const auto watcher = Watch(host);
  EXPECT_EQ(watcher->pushed(), 1);
  EXPECT_EQ(watcher->paths(), "");
}

TEST_F(EntryFeedTest, GivesTheWholeSetAgainToTheNodesConcernedAlone) {
  Open();
  const auto watcher = Watch(host), bystander = Watch(other);
  auto entry = Add("web", {.nodes = {host.id()}});
  EXPECT_TRUE(Shows(*watcher, "web"));
  entry.spiffe_id = "spiffe://example.org/shop";
  entry = issuer.Put(entry);
  feed->EntriesChanged({entry.id});
  EXPECT_TRUE(Shows(*watcher, "shop"));
  issuer.Delete(entry);
  feed->EntriesChanged({entry.id});
  EXPECT_TRUE(Shows(*watcher, ""));
  Settle();
  EXPECT_EQ(bystander->pushed(), 1);
}

TEST_F(EntryFeedTest, TellsBothNodesWhenAnEntryMovesFromOneToTheOther) {
  auto entry = Add("web", {.nodes = {host.id()}});
  Open();
  const auto from = Watch(host), to = Watch(other);
  entry.scope = {.nodes = {other.id()}};
  feed->EntriesChanged({issuer.Put(entry).id});
  EXPECT_TRUE(Shows(*from, ""));
  EXPECT_TRUE(Shows(*to, "web"));
}

TEST_F(EntryFeedTest, PushesNothingThatIsNotNews) {
  const auto entry = Add("web", {.nodes = {host.id()}});
  Open();
  const auto watcher = Watch(host);
  feed->EntriesChanged({entry.id});
  feed->EntriesChanged();
  feed->NodeChanged(host.id());
  feed->BundleChanged();
  Settle();
  EXPECT_EQ(watcher->pushed(), 1);
}

TEST_F(EntryFeedTest, FindsByItselfWhatChangedWhenNobodySaysWhat) {
  Open();
  const auto watcher = Watch(host);
  issuer.Put(EntryFor(host, "web"));
  feed->EntriesChanged();
  EXPECT_TRUE(Shows(*watcher, "web"));
}

TEST_F(EntryFeedTest, FollowsTheNodesLabels) {
  Add("web", {.labels = {{"site", "berlin"}, {"role", "edge"}}});
  Open();
  const auto watcher = Watch(host);
  EXPECT_EQ(watcher->paths(), "");
  const auto label = [&](const std::string& site) {
    Must(issuer.inventory->Allow(host.id(), {{"site", site}, {"role", "edge"}}, "uid 0"));
    feed->NodeChanged(host.id());
  };
  label("berlin");
  EXPECT_TRUE(Shows(*watcher, "web"));
  Add("edge", {.labels = {{"role", "edge"}}});
  EXPECT_TRUE(Shows(*watcher, "web edge"));
  label("paris");
  EXPECT_TRUE(Shows(*watcher, "edge"));
}

TEST_F(EntryFeedTest, TellsOfABundleThatChanged) {
  Open();
  const auto watcher = Watch(host);
  Must(issuer.authority->Refresh(issuer.now + issuer.config.jwt_key_ttl));
  feed->BundleChanged();
  EXPECT_TRUE(Eventually([&] { return watcher->last().bundle().jwt_keys_size() == 3; }));
  EXPECT_EQ(watcher->last().bundle().sequence(), issuer.authority->jwt().bundle_sequence());
}

TEST_F(EntryFeedTest, TakesAnEntryAwayAtItsEnd) {
  attest::Entry entry = EntryFor(host);
  entry.expires = issuer.now + hours(1);
  issuer.Put(entry);
  Open();
  const auto watcher = Watch(host);
  EXPECT_EQ(watcher->paths(), "web");
  issuer.Pass(hours(1));
  EXPECT_TRUE(Shows(*watcher, "")) << "nobody said so";
  issuer.Pass(-hours(1));
  feed->BundleChanged();
  EXPECT_TRUE(Shows(*watcher, "web")) << "the clock had run ahead";
}

TEST_F(EntryFeedTest, EndsAStreamWithTheReasonForWhichTheNodeLostItsStanding) {
  Open();
  const std::map<Standing, std::string> reasons = {{Standing::kRefused, "node-refused"},
                                                   {Standing::kQuarantined, "node-quarantined"},
                                                   {Standing::kAllowed, "node-not-enrolled"},
                                                   {Standing::kRemoved, "node-removed"}};
  const auto bystander = Watch(other);
  for (const auto& [standing, reason] : reasons) {
    Stand(host, Standing::kActive);
    const auto watcher = Watch(host);
    Stand(host, standing);
    EXPECT_TRUE(Eventually([&] { return watcher->ended() == reason; })) << reason;
    EXPECT_EQ(watcher->pushed(), 1);
    const auto again = Watch(host);
    EXPECT_EQ(again->ended(), reason) << "and begins no other";
    for (const auto& over : {watcher, again}) feed->Leave(host.id(), over.get());
  }
  EXPECT_EQ(bystander->ended(), "");
}

TEST_F(EntryFeedTest, ANewerStreamEndsTheOlder) {
  Open();
  const auto older = Watch(host);
  const auto newer = Watch(host);
  EXPECT_EQ(older->ended(), "watch-superseded");
  feed->Leave(host.id(), older.get());
  Add("web", {.nodes = {host.id()}});
  EXPECT_TRUE(Shows(*newer, "web")) << "that the older leaves is not the newer's end";
  EXPECT_EQ(older->pushed(), 1);
}

TEST_F(EntryFeedTest, ANodeThatDoesNotEndItsStreamsGetsNoMore) {
  Open();
  std::vector<std::shared_ptr<Watcher>> stuck;
  for (int i = 0; i < EntryFeed::kMaxStreams; ++i) stuck.push_back(Watch(host));
  EXPECT_EQ(Watch(host)->ended(), "too-many-watches");
  EXPECT_EQ(stuck.back()->ended(), "") << "the newest goes on";
  EXPECT_EQ(Watch(other)->ended(), "") << "and so do others";
}

TEST_F(EntryFeedTest, ForgetsWhoHasLeft) {
  Open();
  const auto gone = Watch(host);
  feed->Leave(host.id(), gone.get());
  Add("web", {.nodes = {host.id()}});
  Settle();
  EXPECT_EQ(gone->pushed(), 1);
  EXPECT_EQ(gone.use_count(), 1) << "nor keeps it";
}

TEST_F(EntryFeedTest, WaitsForTheEndOfARemovedNodesStream) {
  Open();
  const auto watcher = Watch(host);
  Must(issuer.inventory->Remove(host.id(), "uid 0"));
  std::thread stream([&] {
    EXPECT_TRUE(Eventually([&] { return !watcher->ended().empty(); }));
    feed->Leave(host.id(), watcher.get());
  });
  feed->AwaitEnd(host.id(), hours(1));
  EXPECT_EQ(watcher->ended(), "node-removed");
  stream.join();
}

TEST_F(EntryFeedTest, DoesNotWaitForeverForAStreamThatStays) {
  Open();
  const auto watcher = Watch(host);
  Must(issuer.inventory->Remove(host.id(), "uid 0"));
  feed->AwaitEnd(host.id(), Duration(1));
  EXPECT_TRUE(Eventually([&] { return watcher->ended() == "node-removed"; }));
}

TEST_F(EntryFeedTest, EndsAllStreamsAsTheIssuerStops) {
  Open();
  const auto watcher = Watch(host);
  feed->Stop();
  EXPECT_EQ(watcher->ended(), "issuer-stopping");
  const auto late = std::make_shared<Watcher>();
  feed->Watch(host.id(), late);
  EXPECT_EQ(late->ended(), "issuer-stopping");
}

TEST_F(EntryFeedTest, TriesAgainWhenTheStoreCannotBeRead) {
  Open();
  const auto watcher = Watch(host);
  issuer.store->FailReads(true);
  Add("web", {.nodes = {host.id()}});
  EXPECT_TRUE(Eventually([&] { return issuer.store->failed_reads() > 0; }));
  EXPECT_EQ(watcher->paths(), "");
  issuer.store->FailReads(false);
  EXPECT_TRUE(Shows(*watcher, "web"));
}

}  // namespace
}  // namespace lodekey::test
