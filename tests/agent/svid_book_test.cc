#include "agent/svid_book.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"

namespace lodekey::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const Time kBegin(Duration(1'800'000'000'000));

attest::Selector Uid(int uid) {
  return {.type = "unix", .name = "uid", .value = std::to_string(uid)};
}
Selectors HeldBy(int uid) { return {{.selector = Uid(uid)}}; }

// What a subscription was told, in short: "a,b" for SVIDs of these entries, "bundle 2" for a bundle
// alone, or the name of an error.
struct Told {
  std::vector<std::string> texts = {};
  std::vector<Identities> identities = {};
  std::string last() const { return texts.empty() ? "nothing" : texts.back(); }
};

class SvidBookTest : public testing::Test {
 protected:
  static EntryPtr MakeEntry(const std::string& id, int uid, uint64_t revision = 1) {
    return std::make_shared<const attest::Entry>(
        attest::Entry{.id = id,
                      .revision = revision,
                      .spiffe_id = "spiffe://example.org/" + id,
                      .selectors = {Uid(uid)}});
  }
  static EntryPtr With(const EntryPtr& entry, const std::function<void(attest::Entry&)>& change) {
    attest::Entry changed = *entry;
    change(changed);
    return std::make_shared<const attest::Entry>(std::move(changed));
  }

  void Set(std::vector<EntryPtr> entries, uint64_t sequence = 1,
           const std::string& roots = "root") {
    auto bundle = std::make_shared<TrustBundle>();
    bundle->trust_domain = "example.org";
    bundle->sequence = sequence;
    bundle->roots = roots;
    book_.SetEntries({.entries = std::move(entries), .unusable = {}, .bundle = std::move(bundle)});
  }

  std::unique_ptr<SvidBook::Watcher> Watch(Told& told, Selectors selectors,
                                           SvidBook::Need need = SvidBook::Need::kX509Svids) {
    return book_.Watch(std::move(selectors), need, [&told](const Result<Identities>& answer) {
      if (!answer) return told.texts.emplace_back(answer.error().Name()), void();
      std::string text;
      for (const HeldSvid& held : answer->svids) text += (text.empty() ? "" : ",") + held.entry->id;
      told.texts.push_back(text.empty() ? "bundle " + std::to_string(answer->bundle->sequence)
                                        : text);
      told.identities.push_back(*answer);
    });
  }

  X509Svid Svid(const EntryPtr& entry, Duration life = minutes(60)) const {
    return {.spiffe_id = entry->spiffe_id,
            .chain = entry->id,
            .key = {},
            .not_before = now_,
            .not_after = now_ + life};
  }
  // As renewal does; the ids of what was wanted.
  std::string IssueWanted(Duration life = minutes(60)) {
    std::string ids;
    for (const auto& wanted : book_.TakeWanted(64)) {
      ids += (ids.empty() ? "" : ",") + wanted.entry->id;
      book_.Put(wanted, Svid(wanted.entry, life));
    }
    return ids;
  }
  void Pass(Duration duration) {
    now_ += duration;
    uptime_ += duration;
  }

  Time now_ = kBegin;
  Duration uptime_ = seconds(100);
  SvidBook book_{{.now = [this] { return now_; },
                  .uptime = [this] { return uptime_; },
                  .random = [] { return uint32_t{0}; }}};
};

TEST_F(SvidBookTest, IssuesOnFirstAskAndDelivers) {
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

TEST_F(SvidBookTest, IssuesAheadWhereTheEntrySaysPrefetch) {
  Set({With(MakeEntry("web", 1000), [](attest::Entry& entry) { entry.prefetch = true; })});
  const auto wanted = book_.TakeWanted(64);
  ASSERT_EQ(wanted.size(), 1U);
  EXPECT_TRUE(wanted.front().selectors.empty());
}

TEST_F(SvidBookTest, GivesAProcessAllItsIdentitiesTheOldestFirst) {
  Set({MakeEntry("a", 1000), MakeEntry("b", 1000), MakeEntry("c", 2000)});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  const auto wanted = book_.TakeWanted(64);
  ASSERT_EQ(wanted.size(), 2U);
  book_.Put(wanted[1], Svid(wanted[1].entry));
  EXPECT_EQ(told.last(), "nothing") << "the first answer is whole";
  book_.Put(wanted[0], Svid(wanted[0].entry));
  EXPECT_EQ(told.texts, std::vector<std::string>{"a,b"});
}

TEST_F(SvidBookTest, LeavesOutWhatRepeatsAHintOrAnIdentity) {
  const auto hint = [](attest::Entry& entry) { entry.hint = "internal"; };
  const auto same = [](attest::Entry& entry) { entry.spiffe_id = "spiffe://example.org/a"; };
  Set({With(MakeEntry("a", 1000), hint), With(MakeEntry("b", 1000), hint),
       With(MakeEntry("c", 1000), same), MakeEntry("d", 1000)});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  EXPECT_EQ(IssueWanted(), "a,d");
  EXPECT_EQ(told.last(), "a,d");
}

TEST_F(SvidBookTest, DeniesWhoMatchesNothing) {
  Set({MakeEntry("web", 1000)});
  Told told;
  const auto watcher = Watch(told, HeldBy(2000));
  EXPECT_EQ(told.last(), "no-identity");
  EXPECT_EQ(book_.Match(HeldBy(2000)).error().Name(), "no-identity");
  EXPECT_EQ(test::Must(book_.Match(HeldBy(1000))).front()->id, "web");
}

TEST_F(SvidBookTest, WaitsForEntriesAndSaysWhyNoneCame) {
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  book_.NoteProblem({.code = Code::kUnavailable, .text = "", .name = "issuer-unreachable"});
  book_.Tick();
  EXPECT_EQ(told.last(), "nothing");
  Pass(SvidBook::kPatience);
  book_.Tick();
  EXPECT_EQ(told.last(), "issuer-unreachable");
  EXPECT_EQ(book_.problem()->Name(), "issuer-unreachable");
  Told in_time;
  const auto second = Watch(in_time, HeldBy(1000));
  Set({MakeEntry("web", 1000)});
  IssueWanted();
  EXPECT_EQ(in_time.last(), "web");
  EXPECT_FALSE(book_.problem());
  EXPECT_EQ(told.texts.size(), 1U) << "an error is the last word";
}

TEST_F(SvidBookTest, RenewsAtHalfLifeWhatIsWatched) {
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

TEST_F(SvidBookTest, GoesOnServingWhileTheIssuerIsAwayAndNoLongerThanItsEnd) {
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

TEST_F(SvidBookTest, TakesAwayWhatTheIssuerDenies) {
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

TEST_F(SvidBookTest, PushesOnlyToThoseWhomAChangeConcerns) {
  const EntryPtr a = MakeEntry("a", 1000), b = MakeEntry("b", 1000), c = MakeEntry("c", 2000);
  Set({a, b, c});
  Told one, two;
  const auto first = Watch(one, HeldBy(1000));
  const auto second = Watch(two, HeldBy(2000));
  IssueWanted();
  Set({a, c});
  EXPECT_EQ(one.texts, (std::vector<std::string>{"a,b", "a"}));
  EXPECT_EQ(two.texts, std::vector<std::string>{"c"});
  Set({c});
  EXPECT_EQ(one.last(), "no-identity");
  EXPECT_EQ(two.texts, std::vector<std::string>{"c"});
}

TEST_F(SvidBookTest, AnEntryAddedLaterJoinsTheStream) {
  Set({MakeEntry("a", 1000)});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  IssueWanted();
  Set({MakeEntry("a", 1000), MakeEntry("b", 1000)});
  EXPECT_EQ(told.last(), "a");
  EXPECT_EQ(IssueWanted(), "b");
  EXPECT_EQ(told.last(), "a,b");
}

TEST_F(SvidBookTest, KeepsAnSvidOverAChangeThatLeavesTheIdentity) {
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
TEST_F(SvidBookTest, ARelabelledNodeHasItsOldIdentityNoLonger) {
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

TEST_F(SvidBookTest, DropsAnAnswerForAnEntryThatWasChangedMeanwhile) {
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

TEST_F(SvidBookTest, WithdrawsEverythingAtOnceAndComesBack) {
  Set({MakeEntry("web", 1000)});
  Told told, bundle;
  const auto watcher = Watch(told, HeldBy(1000));
  const auto other = Watch(bundle, HeldBy(1000), SvidBook::Need::kBundle);
  IssueWanted();
  book_.Withdraw({.code = Code::kDenied, .text = "", .name = "node-refused"});
  EXPECT_EQ(told.last(), "node-refused");
  EXPECT_EQ(bundle.last(), "node-refused");
  EXPECT_EQ(book_.bundle(), nullptr);
  EXPECT_FALSE(book_.Keep());
  Told refused;
  const auto late = Watch(refused, HeldBy(1000));
  EXPECT_EQ(refused.last(), "node-refused");
  Set({MakeEntry("web", 1000)});
  Told back;
  const auto again = Watch(back, HeldBy(1000));
  EXPECT_EQ(IssueWanted(), "web") << "nothing that was withdrawn is served again";
  EXPECT_EQ(back.last(), "web");
}

TEST_F(SvidBookTest, TellsWhoWatchesTheBundleOfEachNewOne) {
  Set({MakeEntry("web", 1000)});
  Told keys, svids;
  const auto watcher = Watch(keys, HeldBy(1000), SvidBook::Need::kBundle);
  EXPECT_EQ(keys.last(), "bundle 1");
  EXPECT_TRUE(book_.TakeWanted(64).empty()) << "a bundle is no reason to issue";
  const auto other = Watch(svids, HeldBy(1000));
  IssueWanted();
  Set({MakeEntry("web", 1000)});
  EXPECT_EQ(keys.texts.size(), 1U);
  Set({MakeEntry("web", 1000)}, 2);
  EXPECT_EQ(keys.last(), "bundle 2");
  EXPECT_EQ(svids.texts.size(), 1U) << "the roots are the same";
  Set({MakeEntry("web", 1000)}, 3, "other root");
  EXPECT_EQ(svids.texts.size(), 2U);
}

TEST_F(SvidBookTest, AnEntryEndsAtItsTime) {
  Set({With(MakeEntry("web", 1000),
            [&](attest::Entry& entry) { entry.expires = now_ + minutes(1); })});
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  IssueWanted();
  EXPECT_LE(book_.Tick(), minutes(1));
  Pass(minutes(1));
  book_.Tick();
  EXPECT_EQ(told.last(), "no-identity");
}

TEST_F(SvidBookTest, ComesBackAfterARestart) {
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

TEST_F(SvidBookTest, ExplainsWhatIsMissing) {
  Set({MakeEntry("far", 3000), MakeEntry("near", 1000)});
  const auto distances = book_.Explain(HeldBy(1000));
  ASSERT_EQ(distances.size(), 2U);
  EXPECT_EQ(distances[0].entry->id, "near");
  EXPECT_TRUE(distances[0].missing.empty());
  EXPECT_EQ(distances[1].missing, std::vector<attest::Selector>{Uid(3000)});
}

TEST_F(SvidBookTest, WakesWhoIssuesWhenSomethingIsWanted) {
  int woken = 0;
  book_.OnWanted([&] { ++woken; });
  Set({MakeEntry("web", 1000)});
  const int before = woken;
  Told told;
  const auto watcher = Watch(told, HeldBy(1000));
  EXPECT_GT(woken, before);
}

TEST_F(SvidBookTest, KnowsWhetherADigestIsNeeded) {
  Set({MakeEntry("web", 1000)});
  EXPECT_FALSE(book_.WantsDigest());
  Set({With(MakeEntry("web", 1000), [](attest::Entry& entry) {
    entry.selectors.push_back({.type = "unix", .name = "sha256", .value = std::string(64, '0')});
  })});
  EXPECT_TRUE(book_.WantsDigest());
}

}  // namespace
}  // namespace lodekey::agent
