#include "issuer/entry_book.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "issuer/entry_record.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using attest::Entry;
using issuer::AppliedEntries;
using issuer::AppliedEntry;
using issuer::CreateEntry;
using issuer::DeleteEntry;
using issuer::EntryBook;
using issuer::EntryChange;
using issuer::UpdateEntry;

using Changes = std::vector<Result<EntryChange>>;

// As an operator writes it; nodes 1 and 2 are known.
Entry NewEntry(unsigned number) {
  Entry entry = SampleEntry(number);
  entry.id.clear();
  return entry;
}

// "entry-scope 0,entry-exists 2": the names of the refusals and their places.
std::string Refusals(const AppliedEntries& outcome) {
  std::string text;
  for (const issuer::RefusedEntry& refused : outcome.refused) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ",", refused.error.Name(), refused.index);
  }
  return text;
}

class EntryBookTest : public testing::Test {
 protected:
  EntryBookTest() {
    for (const unsigned number : {1U, 2U}) Must(rig.inventory->Allow(SampleNodeId(number), {}, ""));
    rig.context->entries_changed = [this](const auto& ids) {
      EXPECT_FALSE(ids.empty());
      ++heard;
    };
  }
  AppliedEntries Apply(const Changes& changes, bool dry_run = false) {
    return Must(book.Apply(changes, dry_run, "uid 7"));
  }
  std::string Refused(const Changes& changes) { return Refusals(Apply(changes)); }
  // Later than all before it.
  Entry Create(const Entry& entry) {
    rig.Pass(Duration(1));
    const AppliedEntries outcome = Apply({CreateEntry{entry}});
    EXPECT_EQ(Refusals(outcome), "");
    return outcome.applied.at(0).after.value();
  }
  std::vector<Entry> All() { return Must(book.List({}, "", 1000)).entries; }
  std::string Failure(const Result<AppliedEntries>& outcome) {
    return outcome ? "done" : std::string(outcome.error().Name());
  }
  std::vector<nlohmann::json> EntryLines() {
    std::vector<nlohmann::json> lines = rig.AuditRecords();
    std::erase_if(lines, [](const nlohmann::json& line) {
      return !line.value("event", "").starts_with("entry.");
    });
    return lines;
  }

  IssuerRig rig;
  int heard = 0;
  EntryBook book{*rig.context};
};

// --- Create ---

TEST_F(EntryBookTest, CreatesWithAnIdAndARecord) {
  const Entry created = Create(NewEntry(1));
  EXPECT_EQ(created.id.size(), 36U);
  EXPECT_EQ(created.revision, 1U);
  EXPECT_EQ(Must(book.Find(created.id)), created);
  ASSERT_EQ(EntryLines().size(), 1U);
  const auto line = EntryLines()[0];
  EXPECT_EQ(line["event"], "entry.created");
  EXPECT_EQ(line["actor"], "uid 7");
  EXPECT_EQ(line["entry"], created.id);
  EXPECT_EQ(line["revision"], 1);
  EXPECT_EQ(line["spiffe_id"], created.spiffe_id);
  EXPECT_EQ(line["changed"]["selectors"],
            nlohmann::json({{"after", {"unix:uid:1000", "unix:path:/usr/bin/web"}}}));
  EXPECT_EQ(line["changed"]["x509_svid_ttl"]["after"], "30m");
}

TEST_F(EntryBookTest, GivesIdsInTheOrderOfTheChanges) {
  Changes changes;
  for (unsigned i = 0; i < 300; ++i) changes.push_back(CreateEntry{NewEntry(i)});
  const AppliedEntries outcome = Apply(changes);
  ASSERT_EQ(outcome.applied.size(), 300U);
  const auto all = All();
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], outcome.applied[i].after) << i;
}

TEST_F(EntryBookTest, RefusesWhatCheckEntryRefuses) {
  Entry scopeless = NewEntry(1);
  scopeless.scope = {};
  Entry executable = NewEntry(2);
  executable.selectors.erase(executable.selectors.begin());
  Entry foreign = NewEntry(3);
  foreign.spiffe_id = "spiffe://other.org/web";
  Entry reserved = NewEntry(4);
  reserved.spiffe_id = "spiffe://example.org/node/x";
  EXPECT_EQ(Refused({CreateEntry{scopeless}, CreateEntry{executable}, CreateEntry{foreign},
                     CreateEntry{reserved}}),
            "entry-scope 0,entry-selectors 1,entry-spiffe-id 2,entry-spiffe-id 3");
}

TEST_F(EntryBookTest, RefusesANodeThatIsUnknownOrRemoved) {
  Entry unknown = NewEntry(1);
  unknown.scope.nodes = {SampleNodeId(1), SampleNodeId(9)};
  Entry removed = NewEntry(2);
  removed.scope.nodes = {SampleNodeId(2)};
  Must(rig.inventory->Remove(SampleNodeId(2), "uid 0"));
  const AppliedEntries outcome = Apply({CreateEntry{unknown}, CreateEntry{removed}});
  EXPECT_EQ(Refusals(outcome), "node-not-found 0,node-not-found 1");
  EXPECT_NE(outcome.refused[0].error.text.find(SampleNodeId(9)), std::string::npos);
  EXPECT_NE(outcome.refused[1].error.text.find(SampleNodeId(2)), std::string::npos);
}

TEST_F(EntryBookTest, RefusesAnEntryThatWouldHaveEndedAlready) {
  Entry ended = NewEntry(1);
  ended.expires = rig.now;
  EXPECT_EQ(Refused({CreateEntry{ended}}), "entry-expired 0");
  ended.expires += Duration(1);
  EXPECT_EQ(Refused({CreateEntry{ended}}), "");
}

TEST_F(EntryBookTest, RefusesAnEntryThatBringsItsOwnId) {
  EXPECT_EQ(Refused({CreateEntry{SampleEntry(1)}}), "entry-invalid 0");
}

TEST_F(EntryBookTest, RefusesTwoThatAreAlikeAlsoWithinACall) {
  const Entry first = Create(NewEntry(1));
  const AppliedEntries outcome =
      Apply({CreateEntry{NewEntry(1)}, CreateEntry{NewEntry(2)}, CreateEntry{NewEntry(2)}});
  EXPECT_EQ(Refusals(outcome), "entry-exists 0,entry-exists 2");
  EXPECT_NE(outcome.refused[0].error.text.find(first.id), std::string::npos);
  EXPECT_NE(outcome.refused[1].error.text.find("another change"), std::string::npos);
}

TEST_F(EntryBookTest, HasRoomForSoManyEntries) {
  const EntryBook small(*rig.context, 2);
  const auto create = [](unsigned number) { return CreateEntry{NewEntry(number)}; };
  EXPECT_EQ(Refusals(Must(small.Apply({create(1), create(2), create(3)}, false, "x"))),
            "too-many-entries 2");
  EXPECT_EQ(Refusals(Must(small.Apply({create(1), create(2)}, false, "x"))), "");
  const std::string first = All().at(0).id;
  EXPECT_EQ(Refusals(Must(small.Apply({create(3)}, false, "x"))), "too-many-entries 0");
  EXPECT_EQ(Refusals(Must(small.Apply({DeleteEntry{first}, create(3)}, false, "x"))), "");
}

// --- Update ---

TEST_F(EntryBookTest, UpdatesTheRevisionThatWasSeen) {
  Entry entry = Create(NewEntry(1));
  entry.owner = "others";
  entry.expires = Time();
  const AppliedEntry applied = Apply({UpdateEntry{entry}}).applied.at(0);
  EXPECT_TRUE(applied.changed);
  EXPECT_EQ(applied.before->owner, "web team");
  EXPECT_EQ(applied.after->revision, 2U);
  EXPECT_EQ(Must(book.Find(entry.id)), applied.after);
  const auto line = EntryLines().back();
  EXPECT_EQ(line["event"], "entry.updated");
  EXPECT_EQ(line["revision"], 2);
  EXPECT_EQ(line["changed"],
            nlohmann::json({{"owner", {{"before", "web team"}, {"after", "others"}}},
                            {"expires", {{"before", "2026-01-01T00:16:40.000Z"}, {"after", ""}}}}));
  EXPECT_EQ(Refused({UpdateEntry{entry}}), "entry-changed 0");
}

TEST_F(EntryBookTest, ChangesNothingWhenTheEntryIsAsItIsToBe) {
  const Entry entry = Create(NewEntry(1));
  const AppliedEntries outcome = Apply({UpdateEntry{entry}});
  ASSERT_EQ(outcome.applied.size(), 1U);
  EXPECT_FALSE(outcome.applied[0].changed);
  EXPECT_EQ(outcome.applied[0].after, entry);
  EXPECT_EQ(EntryLines().size(), 1U);
  EXPECT_EQ(heard, 1);
}

TEST_F(EntryBookTest, ChecksWhatAnUpdateMakes) {
  Entry entry = Create(NewEntry(1));
  const Entry other = Create(NewEntry(2));
  const auto changed = [&](const std::function<void(Entry&)>& change) {
    Entry copy = entry;
    change(copy);
    return UpdateEntry{copy};
  };
  EXPECT_EQ(Refused({changed([](Entry& e) { e.scope = {}; }),
                     changed([](Entry& e) { e.scope.nodes.push_back(SampleNodeId(9)); }),
                     changed([&](Entry& e) { e.spiffe_id = other.spiffe_id; }),
                     changed([&](Entry& e) { e.expires = rig.now; }),
                     changed([](Entry& e) { e.id = SampleEntryId(77); })}),
            "entry-scope 0,node-not-found 1,entry-exists 2,entry-expired 3,entry-not-found 4");
  EXPECT_EQ(Must(book.Find(entry.id)), entry);
}

TEST_F(EntryBookTest, LetsAnEntryBeChangedWhoseNodeWasRemovedOrThatHasEnded) {
  Entry entry = Create(NewEntry(1));
  Must(rig.inventory->Remove(SampleNodeId(1), "uid 0"));
  rig.Pass(std::chrono::hours(1));
  entry.owner = "others";
  EXPECT_EQ(Refused({UpdateEntry{entry}}), "");
}

// --- Delete ---

TEST_F(EntryBookTest, DeletesByIdOrPrefixOnceAndForAll) {
  const Entry first = Create(NewEntry(1));
  rig.Pass(std::chrono::minutes(5));
  const Entry second = Create(NewEntry(2));
  const AppliedEntries outcome = Apply({DeleteEntry{first.id.substr(0, 12)}});
  EXPECT_EQ(outcome.applied.at(0).before, first);
  EXPECT_EQ(outcome.applied.at(0).after, std::nullopt);
  EXPECT_EQ(EntryLines().back()["event"], "entry.deleted");
  EXPECT_EQ(EntryLines().back()["changed"]["owner"], nlohmann::json({{"before", "web team"}}));
  const AppliedEntries again = Apply({DeleteEntry{first.id}});
  EXPECT_EQ(Refusals(again), "");
  EXPECT_FALSE(again.applied.at(0).changed);
  EXPECT_EQ(Refused({DeleteEntry{first.id.substr(0, 12)}, DeleteEntry{"x"}, DeleteEntry{""}}),
            "entry-not-found 0,entry-not-found 1,entry-not-found 2");
  EXPECT_EQ(All(), std::vector{second});
}

TEST_F(EntryBookTest, DeletesNothingByAPrefixOfTwo) {
  Create(NewEntry(1));
  const std::string id = Create(NewEntry(2)).id;
  EXPECT_EQ(Refused({DeleteEntry{id.substr(0, 8)}}), "entry-ambiguous 0");
  EXPECT_EQ(All().size(), 2U);
}

// --- All or nothing ---

TEST_F(EntryBookTest, MakesAllChangesOrNone) {
  const Entry kept = Create(NewEntry(1));
  Entry scopeless = NewEntry(3);
  scopeless.scope = {};
  const Changes changes = {
      DeleteEntry{kept.id}, CreateEntry{NewEntry(2)}, CreateEntry{scopeless},
      Fail(Code::kInvalidArgument, "no selector", {.name = "selector-invalid"}),
      DeleteEntry{"0190b2c4"}};
  const AppliedEntries outcome = Apply(changes);
  EXPECT_EQ(Refusals(outcome), "entry-scope 2,selector-invalid 3,entry-not-found 4");
  EXPECT_TRUE(outcome.applied.empty());
  EXPECT_EQ(All(), std::vector{kept});
  EXPECT_EQ(EntryLines().size(), 1U);
  EXPECT_EQ(heard, 1);
}

TEST_F(EntryBookTest, MakesEachChangeOnWhatThoseBeforeItLeft) {
  const Entry old = Create(NewEntry(1));
  const AppliedEntries outcome = Apply({DeleteEntry{old.id}, CreateEntry{NewEntry(1)}});
  EXPECT_EQ(Refusals(outcome), "");
  EXPECT_EQ(EntryLines().size(), 3U);
  EXPECT_EQ(heard, 2) << "once a call";
  EXPECT_EQ(All(), std::vector{outcome.applied.at(1).after.value()});
}

TEST_F(EntryBookTest, TriesWithoutChangingAnything) {
  const Entry kept = Create(NewEntry(1));
  Entry changed = kept;
  changed.owner = "others";
  const Changes changes = {UpdateEntry{changed}, CreateEntry{NewEntry(2)}};
  const AppliedEntries tried = Apply(changes, /*dry_run=*/true);
  EXPECT_EQ(All(), std::vector{kept});
  EXPECT_EQ(EntryLines().size(), 1U);
  EXPECT_EQ(heard, 1);

  const AppliedEntries done = Apply(changes);
  ASSERT_EQ(tried.applied.size(), 2U);
  EXPECT_EQ(tried.applied[0].before, done.applied[0].before);
  EXPECT_EQ(tried.applied[0].after, done.applied[0].after);
  EXPECT_EQ(tried.applied[1].after, NewEntry(2)) << "it has no id yet";
  EXPECT_TRUE(tried.applied[1].changed);
}

TEST_F(EntryBookTest, RefusesTheSameInADryRun) {
  Create(NewEntry(1));
  const Changes changes = {CreateEntry{NewEntry(1)}, CreateEntry{NewEntry(2)},
                           CreateEntry{NewEntry(2)}, DeleteEntry{"none"}};
  const std::string tried = Refusals(Apply(changes, /*dry_run=*/true));
  EXPECT_EQ(tried, "entry-exists 0,entry-exists 2,entry-not-found 3");
  EXPECT_EQ(Refused(changes), tried);
}

TEST_F(EntryBookTest, RefusesACallThatIsTooLarge) {
  Changes changes(issuer::kMaxEntryChanges, DeleteEntry{SampleEntryId(1)});
  EXPECT_EQ(Refused(changes), "");
  changes.push_back(DeleteEntry{SampleEntryId(1)});
  EXPECT_EQ(Failure(book.Apply(changes, false, "x")), "too-many-changes");

  Entry large = NewEntry(1);
  large.scope.nodes.assign(1024, SampleNodeId(1));
  changes.clear();
  for (unsigned i = 0; i < 300; ++i) {
    large.spiffe_id = NewEntry(i).spiffe_id;
    changes.push_back(CreateEntry{large});
  }
  EXPECT_EQ(Failure(book.Apply(changes, false, "x")), "too-many-changes");
  EXPECT_TRUE(All().empty());
}

TEST_F(EntryBookTest, SaysWhenTheStoreCannotTakeIt) {
  rig.store->Fail(Error{.code = Code::kUnavailable, .text = "no", .name = "store-unavailable"});
  EXPECT_EQ(Failure(book.Apply({CreateEntry{NewEntry(1)}}, false, "x")), "store-unavailable");
  EXPECT_EQ(Failure(book.Apply({CreateEntry{NewEntry(1)}}, true, "x")), "store-unavailable");
  EXPECT_EQ(heard, 0);
}

// --- Find and list ---

TEST_F(EntryBookTest, FindsByIdAndUniquePrefix) {
  const Entry entry = Create(NewEntry(1));
  const auto found = [&](const std::string& name) {
    const auto result = book.Find(name);
    return result ? result->id : std::string(result.error().Name());
  };
  EXPECT_EQ(found(entry.id), entry.id);
  EXPECT_EQ(found(entry.id.substr(0, 8)), entry.id);
  for (const std::string& name :
       {std::string(), entry.id.substr(0, 7), entry.id + "0", std::string("%_______"),
        std::string(36, 'f'), std::string("ffffffff")})
    EXPECT_EQ(found(name), "entry-not-found") << name;
  Create(NewEntry(2));
  EXPECT_EQ(found(entry.id.substr(0, 8)), "entry-ambiguous");
}

TEST_F(EntryBookTest, ListsThoseThatAreAskedFor) {
  Must(rig.inventory->Allow(SampleNodeId(2), {{"site", "berlin"}}, "uid 0"));
  const Entry both = Create(NewEntry(1));
  Entry narrow = NewEntry(2);
  narrow.scope = {.nodes = {SampleNodeId(1)}};
  narrow.selectors = {Must(attest::ParseSelector("unix:gid:5"))};
  const std::string first_alone = Create(narrow).id;
  const auto ids = [&](const issuer::EntryFilter& filter) {
    std::vector<std::string> list;
    for (const Entry& entry : Must(book.List(filter, "", 1000)).entries) list.push_back(entry.id);
    return list;
  };
  EXPECT_EQ(ids({}), (std::vector{both.id, first_alone}));
  EXPECT_EQ(ids({.spiffe_id = narrow.spiffe_id}), std::vector{first_alone});
  EXPECT_EQ(ids({.selector = Must(attest::ParseSelector("unix:uid:1000"))}), std::vector{both.id});
  EXPECT_EQ(ids({.node = Must(rig.inventory->Find(SampleNodeId(1)))}),
            (std::vector{both.id, first_alone}));
  EXPECT_EQ(ids({.node = Must(rig.inventory->Find(SampleNodeId(2)))}), std::vector{both.id})
      << "by its label";
  EXPECT_TRUE(ids({.spiffe_id = both.spiffe_id, .selector = narrow.selectors[0]}).empty());
}

TEST_F(EntryBookTest, ListsPageByPageOfBoundedSize) {
  Changes changes;
  for (unsigned i = 0; i < 300; ++i) changes.push_back(CreateEntry{NewEntry(i)});
  Apply(changes);
  std::vector<Entry> seen;
  std::string after;
  size_t pages = 0;
  do {
    const issuer::EntryPage page = Must(book.List({}, after, 70));
    seen.insert(seen.end(), page.entries.begin(), page.entries.end());
    after = page.next;
    ++pages;
  } while (!after.empty());
  EXPECT_EQ(pages, 5U);
  EXPECT_EQ(seen, All());
  ASSERT_EQ(seen.size(), 300U);

  Entry large = NewEntry(1000);
  large.scope.nodes.assign(1024, SampleNodeId(1));
  for (unsigned i = 0; i < 40; ++i) {
    large.spiffe_id = NewEntry(1000 + i).spiffe_id;
    Create(large);
  }
  EXPECT_LT(Must(book.List({}, seen.back().id, 1000)).entries.size(), 40U);
}

}  // namespace
}  // namespace lodekey::test
