// The book's side towards the issuer.
#include "tests/agent/svid_book_rig.h"

namespace lodekey::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using SvidBookIssuanceTest = SvidBookTest;

TEST_F(SvidBookIssuanceTest, IssuesOnFirstAskAndDelivers) {
  const EntryPtr web = MakeEntry("web", 1000);
  Set({web, MakeEntry("db", 2000)});
  EXPECT_EQ(IssueWanted(), "") << "nobody asked yet";
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  EXPECT_EQ(told.last(), "nothing");
  const auto wanted = book_.TakeWanted(64);
  ASSERT_EQ(wanted.size(), 1U);
  EXPECT_EQ(wanted.front().selectors, HeldBy(1000));
  EXPECT_TRUE(book_.TakeWanted(64).empty()) << "it is on its way";
  book_.Put(wanted.front(), Svid(web));
  EXPECT_EQ(told.texts, std::vector<std::string>{"web"});
  Told second;
  const auto again = Watch(second, HeldBy(1000));
  EXPECT_EQ(second.last(), "web") << "what is held is given at once";
}

TEST_F(SvidBookIssuanceTest, IssuesAheadWhereTheEntrySaysPrefetch) {
  Set({With(MakeEntry("web", 1000), [](attest::Entry& entry) { entry.prefetch = true; })});
  const auto wanted = book_.TakeWanted(64);
  ASSERT_EQ(wanted.size(), 1U);
  EXPECT_TRUE(wanted.front().selectors.empty());
}

TEST_F(SvidBookIssuanceTest, RenewsAtHalfLifeWhatIsWatched) {
  Set({MakeEntry("web", 1000), MakeEntry("db", 2000)});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  {
    Told once;
    const auto gone = Watch(once, HeldBy(2000));
    EXPECT_EQ(IssueWanted(), "db,web");
  }
  Pass(minutes(29));
  EXPECT_EQ(IssueWanted(), "");
  EXPECT_LE(book_.Tick(), minutes(1));
  Pass(minutes(1));
  EXPECT_EQ(book_.Tick(), Duration(0));
  EXPECT_EQ(IssueWanted(), "web") << "nobody watches db any more";
  EXPECT_EQ(told.texts, (std::vector<std::string>{"web", "web"}));
  EXPECT_NE(told.identities[0].svids[0].svid, told.identities[1].svids[0].svid);
}

TEST_F(SvidBookIssuanceTest, GoesOnServingWhileTheIssuerIsAwayAndNoLongerThanItsEnd) {
  Set({MakeEntry("web", 1000)});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  IssueWanted();
  Pass(minutes(31));
  const auto wanted = book_.TakeWanted(64);
  ASSERT_EQ(wanted.size(), 1U);
  const Error away{.code = Code::kUnavailable, .text = "", .name = "issuer-unreachable"};
  book_.Fail(wanted.front(), away, seconds(2));
  book_.NoteProblem(away);
  EXPECT_TRUE(book_.TakeWanted(64).empty());
  EXPECT_EQ(book_.Tick(), seconds(2));
  Pass(minutes(28));
  book_.Tick();
  EXPECT_EQ(told.texts.size(), 1U);
  Told late;
  const auto newcomer = Watch(late, HeldBy(1000));
  EXPECT_EQ(late.last(), "web");
  Pass(minutes(1));
  book_.Tick();
  Pass(SvidBook::kPatience);
  book_.Tick();
  EXPECT_EQ(told.last(), "issuer-unreachable");
}

TEST_F(SvidBookIssuanceTest, TakesAwayWhatTheIssuerDenies) {
  Set({MakeEntry("a", 1000), MakeEntry("b", 1000)});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  IssueWanted();
  Pass(minutes(30));
  const Error denied{.code = Code::kDenied, .text = "", .name = "entry-expired"};
  const auto wanted = book_.TakeWanted(64);
  ASSERT_EQ(wanted.size(), 2U);
  book_.Fail(wanted[0], denied, minutes(1));
  EXPECT_EQ(told.last(), "b");
  book_.Fail(wanted[1], denied, minutes(1));
  EXPECT_EQ(told.last(), "entry-expired");
}

TEST_F(SvidBookIssuanceTest, KeepsAnSvidOverAChangeThatLeavesTheIdentity) {
  const EntryPtr web = MakeEntry("web", 1000);
  Set({web});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  IssueWanted();
  Set({With(web, [](attest::Entry& entry) {
    entry.revision = 2;
    entry.x509_ttl = minutes(5);
  })});
  EXPECT_EQ(told.texts.size(), 1U);
  EXPECT_EQ(IssueWanted(), "web") << "under its new terms";
  EXPECT_EQ(told.texts.size(), 2U);
  Set({With(web, [](attest::Entry& entry) {
    entry.revision = 3;
    entry.spiffe_id = "spiffe://example.org/other";
  })});
  Told newcomer;
  const auto second = Watch(newcomer, HeldBy(1000));
  EXPECT_EQ(newcomer.last(), "nothing") << "the old identity is not given out any more";
  IssueWanted();
  EXPECT_EQ(told.identities.back().svids[0].svid->spiffe_id, "spiffe://example.org/other");
}

// The revision is the entry's; the node's labels are in its expanded identity.
TEST_F(SvidBookIssuanceTest, ARelabelledNodeHasItsOldIdentityNoLonger) {
  const EntryPtr prod = MakeEntry("web", 1000);
  const EntryPtr staging = With(
      prod, [](attest::Entry& entry) { entry.spiffe_id = "spiffe://example.org/staging/web"; });
  Set({prod});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  IssueWanted();
  Pass(minutes(30));
  const auto late = book_.TakeWanted(64);
  ASSERT_EQ(late.size(), 1U);
  Set({staging});
  book_.Put(late.front(), Svid(prod));
  Told newcomer;
  const auto second = Watch(newcomer, HeldBy(1000));
  EXPECT_EQ(newcomer.last(), "nothing") << "neither what was held nor what was on its way";
  EXPECT_EQ(IssueWanted(), "web");
  EXPECT_EQ(newcomer.identities.back().svids[0].svid->spiffe_id, staging->spiffe_id);
}

TEST_F(SvidBookIssuanceTest, DropsAnAnswerForAnEntryThatWasChangedMeanwhile) {
  const EntryPtr web = MakeEntry("web", 1000);
  Set({web});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  const auto old = book_.TakeWanted(64);
  Set({MakeEntry("web", 1000, /*revision=*/2)});
  book_.Put(old.front(), Svid(web));
  EXPECT_EQ(told.last(), "nothing");
  book_.Fail(old.front(), {.code = Code::kDenied, .text = "", .name = "x"}, minutes(1));
  EXPECT_EQ(told.last(), "nothing");
  Set({});
  book_.Put(old.front(), Svid(web));
  EXPECT_EQ(told.last(), "no-identity");
}

TEST_F(SvidBookIssuanceTest, ComesBackAfterARestart) {
  Set({MakeEntry("web", 1000), MakeEntry("db", 2000)});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  IssueWanted();
  const uint64_t version = book_.version();
  auto kept = book_.Keep();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->svids.size(), 1U);
  Pass(minutes(20));
  SvidBook fresh({.now = [this] { return now_; },
                  .uptime = [this] { return uptime_; },
                  .random = [] { return uint32_t{0}; }});
  fresh.Restore(*std::move(kept));
  std::string got;
  const auto again =
      fresh.Watch(HeldBy(1000), SvidBook::Need::kX509Svids, [&](const Result<Identities>& answer) {
        got = answer ? answer->svids.front().entry->id : "error";
      });
  EXPECT_EQ(got, "web");
  EXPECT_TRUE(fresh.TakeWanted(64).empty());
  Pass(minutes(10));
  EXPECT_EQ(fresh.TakeWanted(64).size(), 1U) << "at half of its life, not of what was left";
  EXPECT_EQ(book_.version(), version);
}

TEST_F(SvidBookIssuanceTest, WakesWhoIssuesWhenSomethingIsWanted) {
  int woken = 0;
  book_.OnWanted([&] { ++woken; });
  Set({MakeEntry("web", 1000)});
  const int before = woken;
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  EXPECT_GT(woken, before);
}

}  // namespace
}  // namespace lodekey::agent
