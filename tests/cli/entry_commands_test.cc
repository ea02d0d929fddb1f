#include <gtest/gtest.h>

#include "tests/cli/fakes.h"
#include "tests/cli/sample_entry.h"

namespace lodekey::cli {
namespace {

using attest::Entry;

const std::string kId = "0190b2c4-0000-7000-8000-000000000001";

// An issuer that has the sample entry, and takes what it is asked.
struct EntryRig : CommandRig {
  EntryRig() {
    issuer.entry = attest::EncodeEntry(SampleEntry());
    issuer.applied = Applied({}, SampleEntry());
    issuer.node = admin::v1::Node();
    issuer.node->set_id(std::string(64, 'b'));
  }
  // The entry of the only change of the last call.
  Entry Created() const { return attest::DecodeEntry(Change().create()).value(); }
  Entry Updated() const { return attest::DecodeEntry(Change().update()).value(); }
  const admin::v1::EntryChange& Change() const {
    EXPECT_EQ(issuer.applies.back().changes_size(), 1);
    return issuer.applies.back().changes(0);
  }
};

// --- create ---

TEST(EntryCreate, SendsWhatWasGiven) {
  EntryRig rig;
  EXPECT_EQ(rig.Run({"entry",           "create",
                     "--spiffe-id",     "spiffe://fleet.example/web",
                     "--selector",      "unix:uid:1000",
                     "--selector",      "unix:path:/usr/bin/web",
                     "--node",          "bbbbbbbb",
                     "--node-label",    "site=fra1",
                     "--node-label",    "tier=a=b",
                     "--x509-svid-ttl", "30m",
                     "--jwt-svid-ttl",  "90s",
                     "--dns",           "web",
                     "--dns",           "web-1",
                     "--common-name",   "web",
                     "--hint",          "internal",
                     "--jwt-audience",  "db",
                     "--jwt-audience",  "*",
                     "--owner",         "web team",
                     "--expires",       "2026-09-21T14:13:20Z",
                     "--prefetch"}),
            0)
      << rig.err();
  Entry wanted = SampleEntry();
  wanted.id.clear();
  wanted.revision = 0;
  wanted.spiffe_id = "spiffe://fleet.example/web";
  wanted.scope = {.nodes = {std::string(64, 'b')}, .labels = {{"site", "fra1"}, {"tier", "a=b"}}};
  wanted.dns_names = {"web", "web-1"};
  EXPECT_EQ(rig.Created(), wanted);
  EXPECT_EQ(rig.issuer.asked, "bbbbbbbb");
  EXPECT_FALSE(rig.issuer.applies.back().dry_run());
  EXPECT_EQ(rig.out(), "Created entry " + kId + " (spiffe://fleet.example/{{site}}/web)\n");
}

TEST(EntryCreate, CountsAnEndFromNow) {
  EntryRig rig;
  EXPECT_EQ(rig.Run({"entry", "create", "--spiffe-id", "x", "--expires", "2h"}), 0);
  EXPECT_EQ(rig.Created().expires, Time(Duration(kNowMs)) + std::chrono::hours(2));
  EXPECT_EQ(rig.Created().x509_ttl, std::chrono::hours(1)) << "as by default";
}

TEST(EntryCreate, PrintsOneObjectForPrograms) {
  EntryRig rig;
  EXPECT_EQ(rig.Run({"entry", "create", "--spiffe-id", "x", "-o", "json", "--detailed-exitcode"}),
            10);
  const auto json = rig.Json();
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["changed"], true);
  EXPECT_EQ(json["dry_run"], false);
  EXPECT_EQ(json["entries"][0]["change"], "created");
  EXPECT_TRUE(json["entries"][0]["before"].is_null());
  EXPECT_EQ(json["entries"][0]["after"]["id"], kId);
}

TEST(EntryCreate, ShowsWhatWouldBeWithoutChangingAnything) {
  EntryRig rig;
  Entry unborn = SampleEntry();
  unborn.id.clear();
  rig.issuer.applied = Applied({}, unborn);
  EXPECT_EQ(rig.Run({"entry", "create", "--spiffe-id", "x", "--dry-run", "--diff",
                     "--detailed-exitcode"}),
            10);
  EXPECT_TRUE(rig.issuer.applies.back().dry_run());
  EXPECT_TRUE(rig.out().starts_with("Would create an entry (")) << rig.out();
  EXPECT_NE(rig.out().find("  + selectors: unix:uid:1000\n"), std::string::npos) << rig.out();
}

TEST(EntryCreate, SaysWhyItIsRefused) {
  EntryRig rig;
  admin::v1::ApplyEntriesResponse response;
  Refuse(response, 0, "entry-scope", "without node scope\x1b", "Name nodes (--node).");
  rig.issuer.applied = response;
  EXPECT_EQ(rig.Run({"entry", "create", "--spiffe-id", "x"}), 1);
  EXPECT_EQ(rig.out(), "");
  EXPECT_EQ(rig.err(), "lodekey: without node scope\\x1b. [entry-scope]\n  Name nodes (--node).\n");
  rig.issuer.applied = Fail(Code::kUnavailable, "not reachable", {.name = "admin-unreachable"});
  EXPECT_EQ(rig.Run({"entry", "create", "--spiffe-id", "x"}), 5);
}

TEST(EntryCreate, RefusesWhatCannotBeMeant) {
  EntryRig rig;
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"entry", "create", "--spiffe-id", "x"});
    return rig.Run(more);
  };
  EXPECT_EQ(rig.Run({"entry", "create"}), 2);
  EXPECT_EQ(run({"--selector", "uid:1000"}), 2);
  EXPECT_NE(rig.err().find("--selector uid:1000: "), std::string::npos) << rig.err();
  EXPECT_EQ(run({"--node", "4aff076"}), 2);
  EXPECT_EQ(run({"--node-label", "site"}), 2);
  EXPECT_NE(rig.err().find("--node-label site: not of the form NAME=VALUE"), std::string::npos);
  EXPECT_EQ(run({"--x509-svid-ttl", "3600"}), 2);
  EXPECT_EQ(run({"--jwt-svid-ttl", "1y"}), 2);
  EXPECT_EQ(run({"--expires", "tomorrow"}), 2);
  EXPECT_EQ(run({"--clear", "dns"}), 2) << "there is nothing to clear";
  EXPECT_TRUE(rig.issuer.applies.empty());
}

TEST(EntryCreate, EndsWithTheIssuersWordOnANode) {
  EntryRig rig;
  rig.issuer.node = Fail(Code::kNotFound, "there is no node", {.name = "node-not-found"});
  EXPECT_EQ(rig.Run({"entry", "create", "--spiffe-id", "x", "--node", "bbbbbbbb"}), 1);
  EXPECT_NE(rig.err().find("[node-not-found]"), std::string::npos) << rig.err();
  EXPECT_TRUE(rig.issuer.applies.empty());
}

// --- update ---

TEST(EntryUpdate, ChangesWhatIsGivenAndNothingElse) {
  EntryRig rig;
  rig.issuer.applied = Applied(SampleEntry(), SampleEntry());
  EXPECT_EQ(rig.Run({"entry", "update", "0190b2c4", "--owner", "others"}), 0) << rig.err();
  EXPECT_EQ(rig.issuer.asked_entry, "0190b2c4");
  Entry wanted = SampleEntry();
  wanted.owner = "others";
  EXPECT_EQ(rig.Updated(), wanted) << "with the revision that was shown";
}

TEST(EntryUpdate, ReplacesWhatMayBeGivenAgain) {
  EntryRig rig;
  EXPECT_EQ(rig.Run({"entry", "update", kId, "--dns", "other", "--selector", "unix:gid:7", "--node",
                     "bbbbbbbb"}),
            0);
  EXPECT_EQ(rig.Updated().dns_names, std::vector<std::string>{"other"});
  EXPECT_EQ(rig.Updated().selectors, std::vector{SelectorOf("unix:gid:7")});
  EXPECT_EQ(rig.Updated().scope.nodes, std::vector{std::string(64, 'b')});
  EXPECT_EQ(rig.Updated().scope.labels, SampleEntry().scope.labels);
}

TEST(EntryUpdate, ClearsWhatIsNamed) {
  EntryRig rig;
  std::vector<std::string> arguments = {"entry", "update", kId};
  for (const char* name : {"node", "node-label", "dns", "common-name", "hint", "jwt-audience",
                           "owner", "expires", "prefetch"})
    arguments.insert(arguments.end(), {"--clear", name});
  EXPECT_EQ(rig.Run(arguments), 0) << rig.err();
  const Entry wanted = {.id = kId,
                        .revision = 3,
                        .spiffe_id = SampleEntry().spiffe_id,
                        .selectors = SampleEntry().selectors,
                        .x509_ttl = SampleEntry().x509_ttl,
                        .jwt_ttl = SampleEntry().jwt_ttl};
  EXPECT_EQ(rig.Updated(), wanted);
  EXPECT_EQ(rig.Run({"entry", "update", kId, "--clear", "spiffe-id"}), 2);
}

TEST(EntryUpdate, SaysWhatChangedAndThatNothingDid) {
  EntryRig rig;
  Entry after = SampleEntry();
  after.owner = "others";
  rig.issuer.applied = Applied(SampleEntry(), after);
  EXPECT_EQ(rig.Run({"entry", "update", kId, "--owner", "others", "--diff"}), 0);
  EXPECT_EQ(rig.out(), "Updated entry " + kId +
                           " (spiffe://fleet.example/{{site}}/web)\n"
                           "  - owner: web team\n"
                           "  + owner: others\n");
  rig.issuer.applied = Applied(after, after);
  EXPECT_EQ(rig.Run({"entry", "update", kId, "--owner", "others", "--detailed-exitcode"}), 0);
  EXPECT_NE(rig.out().find("Nothing to change"), std::string::npos) << rig.out();
}

TEST(EntryUpdate, EndsWhenThereIsNoSuchEntry) {
  EntryRig rig;
  rig.issuer.entry = Fail(Code::kNotFound, "there is no entry", {.name = "entry-not-found"});
  EXPECT_EQ(rig.Run({"entry", "update", kId, "--owner", "x"}), 1);
  EXPECT_TRUE(rig.issuer.applies.empty());
  EXPECT_EQ(rig.Run({"entry", "update", "short", "--owner", "x"}), 2);
  EXPECT_EQ(rig.Run({"entry", "update", kId, kId}), 2) << "one at a time";
}

// --- delete ---

TEST(EntryDelete, DeletesSeveralAtOnce) {
  EntryRig rig;
  rig.issuer.applied = Applied(SampleEntry(), {});
  rig.issuer.applied->add_applied();
  EXPECT_EQ(rig.Run({"entry", "delete", kId, "0190b2c5", "--detailed-exitcode"}), 10);
  ASSERT_EQ(rig.issuer.applies.back().changes_size(), 2);
  EXPECT_EQ(rig.issuer.applies.back().changes(1).remove().entry(), "0190b2c5");
  EXPECT_EQ(rig.out(), "Deleted entry " + kId +
                           " (spiffe://fleet.example/{{site}}/web)\n"
                           "There is no such entry; nothing to delete.\n");
  EXPECT_EQ(rig.Run({"entry", "delete"}), 2);
}

TEST(EntryDelete, NamesEveryRefusal) {
  EntryRig rig;
  admin::v1::ApplyEntriesResponse response;
  Refuse(response, 0, "entry-not-found", "there is no entry '0190b2c5'", "");
  Refuse(response, 1, "entry-ambiguous", "more than one entry begins with '0190b2c4'", "");
  rig.issuer.applied = response;
  EXPECT_EQ(rig.Run({"entry", "delete", "0190b2c5", "0190b2c4", kId}), 1);
  EXPECT_EQ(rig.err(),
            "lodekey: there is no entry '0190b2c5'. [entry-not-found]\n"
            "lodekey: more than one entry begins with '0190b2c4'. [entry-ambiguous]\n"
            "lodekey: 2 of 3 changes are refused; nothing is changed. [entries-refused]\n"
            "  Mend what is named above, and run the command again.\n");
}

// --- list and show ---

TEST(EntryList, AsksPageAfterPageForWhatIsWanted) {
  EntryRig rig;
  rig.issuer.entry_pages.resize(2);
  *rig.issuer.entry_pages[0].add_entries() = attest::EncodeEntry(SampleEntry());
  rig.issuer.entry_pages[0].set_next(kId);
  *rig.issuer.entry_pages[1].add_entries() = attest::EncodeEntry(SampleEntry());
  EXPECT_EQ(rig.Run({"entry", "list", "-o", "json", "--spiffe-id", "x", "--selector",
                     "unix:uid:1000", "--node", "bbbbbbbb"}),
            0)
      << rig.err();
  ASSERT_EQ(rig.issuer.entry_lists.size(), 2u);
  EXPECT_EQ(rig.issuer.entry_lists[0].after(), "");
  EXPECT_EQ(rig.issuer.entry_lists[1].after(), kId);
  EXPECT_EQ(rig.issuer.entry_lists[1].spiffe_id(), "x");
  EXPECT_EQ(rig.issuer.entry_lists[1].selector(), "unix:uid:1000");
  EXPECT_EQ(rig.issuer.entry_lists[1].node(), "bbbbbbbb");
  ASSERT_EQ(rig.Json()["entries"].size(), 2u);
  EXPECT_EQ(rig.Json()["entries"][1]["owner"], "web team");
}

TEST(EntryList, EndsAtTheLimitAndWhenAPageNamesItself) {
  EntryRig rig;
  rig.issuer.entry_pages.resize(3);
  for (auto& page : rig.issuer.entry_pages) {
    for (int i = 0; i < 2; ++i) *page.add_entries() = attest::EncodeEntry(SampleEntry());
    page.set_next(kId);
  }
  EXPECT_EQ(rig.Run({"entry", "list", "-o", "json", "--limit", "1"}), 0);
  EXPECT_EQ(rig.issuer.entry_lists.size(), 1u);
  EXPECT_EQ(rig.issuer.entry_lists[0].limit(), 1u);
  EXPECT_EQ(rig.Json()["entries"].size(), 1u);
  EXPECT_EQ(rig.Run({"entry", "list"}), 0);
  EXPECT_EQ(rig.issuer.entry_lists.size(), 3u);
  EXPECT_EQ(rig.Run({"entry", "list", "--limit", "0"}), 2);
}

TEST(EntryShow, PrintsForPeopleAndPrograms) {
  EntryRig rig;
  EXPECT_EQ(rig.Run({"entry", "show", "0190b2c4"}), 0);
  EXPECT_EQ(rig.issuer.asked_entry, "0190b2c4");
  EXPECT_NE(rig.out().find("owner:"), std::string::npos) << rig.out();
  EXPECT_EQ(rig.Run({"entry", "show", "0190b2c4", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["entry"]["revision"], 3);
  EXPECT_EQ(rig.Run({"entry", "show", "0190b2"}), 2);
}

}  // namespace
}  // namespace lodekey::cli
