#include "agent/svid_book.h"

#include "tests/agent/svid_book_rig.h"
#include "tests/support/must.h"

namespace lodekey::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

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

TEST_F(SvidBookTest, ExplainsWhatIsMissing) {
  Set({MakeEntry("far", 3000), MakeEntry("near", 1000)});
  const auto distances = book_.Explain(HeldBy(1000));
  ASSERT_EQ(distances.size(), 2U);
  EXPECT_EQ(distances[0].entry->id, "near");
  EXPECT_TRUE(distances[0].missing.empty());
  EXPECT_EQ(distances[1].missing, std::vector<attest::Selector>{Uid(3000)});
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
