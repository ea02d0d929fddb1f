#include "cli/entry_view.h"

#include <gtest/gtest.h>

#include "tests/cli/sample_entry.h"

namespace lodekey::cli {
namespace {

using attest::Entry;

const Time kNow = Time(Duration(1780272000000));

Entry PlainEntry() {
  Entry entry = {.id = "0190b2c4-0000-7000-8000-000000000002",
                 .revision = 1,
                 .spiffe_id = "spiffe://fleet.example/db",
                 .scope = {.nodes = {std::string(64, 'a')}},
                 .selectors = {SelectorOf("unix:user:postgres")}};
  return entry;
}

TEST(EntryList, IsATable) {
  EXPECT_EQ(
      EntryListText({SampleEntry(), PlainEntry()}),
      "ENTRY                                 SPIFFE ID                            SELECTORS   "
      "                           NODES                        EXPIRES\n"
      "0190b2c4-0000-7000-8000-000000000001  spiffe://fleet.example/{{site}}/web  "
      "unix:uid:1000, unix:path:/usr/bin/web  aaaaaaaaaaaaaaaa, site=fra1  "
      "2026-09-21T14:13:20.000Z\n"
      "0190b2c4-0000-7000-8000-000000000002  spiffe://fleet.example/db            "
      "unix:user:postgres                     aaaaaaaaaaaaaaaa             -\n");
  EXPECT_EQ(EntryListText({}), "No entry.\n");
}

TEST(EntryList, CountsTheNodesOfALargeScope) {
  Entry entry = PlainEntry();
  entry.scope.nodes.assign(1024, std::string(64, 'b'));
  EXPECT_NE(EntryListText({entry}).find("bbbbbbbbbbbbbbbb, bbbbbbbbbbbbbbbb, 1022 more"),
            std::string::npos);
}

TEST(EntryShow, NamesWhatIsSet) {
  EXPECT_EQ(EntryText(PlainEntry(), kNow),
            "id:         0190b2c4-0000-7000-8000-000000000002\n"
            "revision:   1\n"
            "identity:   spiffe://fleet.example/db\n"
            "nodes:      " +
                std::string(64, 'a') +
                "\n"
                "selectors:  unix:user:postgres\n"
                "X.509 TTL:  1h\n"
                "JWT TTL:    5m\n");
  for (const char* text : {"node labels:", "JWT audiences:", "DNS names:", "common name:", "hint:",
                           "owner:", "expires:", "prefetch:"}) {
    EXPECT_NE(EntryText(SampleEntry(), kNow).find(text), std::string::npos) << text;
  }
}

TEST(EntryShow, SaysThatAnEntryHasEnded) {
  const Entry entry = SampleEntry();
  EXPECT_TRUE(EntryText(entry, entry.expires).starts_with("Nobody gets this identity any more"));
  EXPECT_TRUE(EntryText(entry, entry.expires - Duration(1)).starts_with("id:"));
}

TEST(EntryOutcome, SaysWhatChangedOrWould) {
  const EntryOutcome created{.changed = true, .after = PlainEntry()};
  const EntryOutcome deleted{.changed = true, .before = PlainEntry()};
  const EntryOutcome updated{.changed = true, .before = PlainEntry(), .after = PlainEntry()};
  const EntryOutcome same{.before = PlainEntry(), .after = PlainEntry()};
  const std::string named =
      "entry 0190b2c4-0000-7000-8000-000000000002 (spiffe://fleet.example/db)";
  EXPECT_EQ(OutcomeText(created, false, false), "Created " + named + "\n");
  EXPECT_EQ(OutcomeText(updated, false, false), "Updated " + named + "\n");
  EXPECT_EQ(OutcomeText(deleted, false, false), "Deleted " + named + "\n");
  EXPECT_EQ(OutcomeText(deleted, true, false), "Would delete " + named + "\n");
  EXPECT_EQ(OutcomeText(same, false, false), "Nothing to change in " + named + ".\n");
  EXPECT_EQ(OutcomeText({}, false, false), "There is no such entry; nothing to delete.\n");
  EntryOutcome unborn = created;
  unborn.after->id.clear();
  EXPECT_EQ(OutcomeText(unborn, true, false),
            "Would create an entry (spiffe://fleet.example/db)\n");
}

TEST(EntryDiff, HasALineForEachValueThatGoesOrComes) {
  const Entry before = SampleEntry();
  Entry after = before;
  after.revision = 4;
  after.scope.nodes.push_back(std::string(64, 'b'));
  after.scope.labels = {{"site", "ber1"}};
  after.dns_names.erase(after.dns_names.begin());
  after.owner = "a\x1b[2J";
  after.hint.clear();
  after.prefetch = false;
  const std::string text =
      OutcomeText({.changed = true, .before = before, .after = after}, true, true);
  EXPECT_EQ(text.substr(text.find('\n') + 1), "  + nodes: " + std::string(64, 'b') +
                                                  "\n"
                                                  "  - node_labels: site=fra1\n"
                                                  "  + node_labels: site=ber1\n"
                                                  "  - dns_names: web\n"
                                                  "  - hint: internal\n"
                                                  "  - owner: web team\n"
                                                  "  + owner: a\\x1b[2J\n"
                                                  "  - prefetch: true\n");
}

TEST(EntryDiff, ShowsAnotherOrder) {
  const Entry before = SampleEntry();
  Entry after = before;
  std::swap(after.dns_names[0], after.dns_names[1]);
  const std::string text =
      OutcomeText({.changed = true, .before = before, .after = after}, false, true);
  EXPECT_EQ(text.substr(text.find('\n') + 1),
            "  - dns_names: web\n"
            "  - dns_names: web-1.fleet.example\n"
            "  + dns_names: web-1.fleet.example\n"
            "  + dns_names: web\n");
}

TEST(EntryDiff, ShowsAllOfWhatIsCreatedOrDeleted) {
  const std::string lines =
      "spiffe_id: spiffe://fleet.example/db\n"
      "  M nodes: " +
      std::string(64, 'a') +
      "\n"
      "  M selectors: unix:user:postgres\n"
      "  M x509_svid_ttl: 1h\n"
      "  M jwt_svid_ttl: 5m\n";
  const auto marked = [&](char mark) {
    std::string text = "  M " + lines;
    std::ranges::replace(text, 'M', mark);
    return text;
  };
  const std::string created = OutcomeText({.changed = true, .after = PlainEntry()}, false, true);
  EXPECT_EQ(created.substr(created.find('\n') + 1), marked('+'));
  const std::string deleted = OutcomeText({.changed = true, .before = PlainEntry()}, false, true);
  EXPECT_EQ(deleted.substr(deleted.find('\n') + 1), marked('-'));
}

}  // namespace
}  // namespace lodekey::cli
