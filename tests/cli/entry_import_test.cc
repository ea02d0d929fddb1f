#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/entry_file.h"
#include "cli/entry_json.h"
#include "tests/cli/fakes.h"
#include "tests/cli/sample_entry.h"
#include "tests/platform/scratch.h"

namespace lodekey::cli {
namespace {

using attest::Entry;

std::string LineOf(const std::string& path) {
  return fmt::format(
      R"({{"spiffe_id":"spiffe://fleet.example{}","nodes":["{}"],"selectors":["unix:uid:1000"]}})",
      path, std::string(64, 'a'));
}

// An issuer that has the sample entry, and a file.
struct ImportRig : CommandRig {
  ImportRig() {
    issuer.entry_pages.resize(8);
    for (auto& page : issuer.entry_pages) *page.add_entries() = attest::EncodeEntry(SampleEntry());
    issuer.applied = Applied({}, SampleEntry());
  }
  int Import(const std::string& content, std::vector<std::string> more = {}) {
    std::ofstream(path, std::ios::trunc) << content;
    more.insert(more.begin(), {"entry", "import", path});
    return Run(std::move(more));
  }
  platform::ScratchDir scratch;
  std::string path = scratch / "entries.jsonl";
};

TEST(EntryImport, SendsAllChangesAtOnce) {
  ImportRig rig;
  Entry changed = SampleEntry();
  changed.owner = "others";
  Entry created = *ParseEntryJson(LineOf("/new"));
  rig.issuer.applied = Applied({}, created);
  *rig.issuer.applied->add_applied() = Applied(SampleEntry(), changed).applied(0);
  EXPECT_EQ(rig.Import(LineOf("/new") + "\n\n" + EntryJson(changed).dump() + "\n",
                       {"--diff", "--detailed-exitcode"}),
            10)
      << rig.err();
  ASSERT_EQ(rig.issuer.applies.size(), 1u);
  ASSERT_EQ(rig.issuer.applies[0].changes_size(), 2);
  EXPECT_EQ(rig.issuer.applies[0].changes(0).create().spiffe_id(), "spiffe://fleet.example/new");
  EXPECT_EQ(rig.issuer.applies[0].changes(1).update().owner(), "others");
  EXPECT_EQ(rig.issuer.applies[0].changes(1).update().revision(), 3u);
  EXPECT_NE(rig.out().find("  + owner: others\n"), std::string::npos) << rig.out();
  EXPECT_NE(rig.out().find("\n1 created, 1 updated, 0 unchanged.\n"), std::string::npos)
      << rig.out();
}

TEST(EntryImport, ChangesNothingASecondTime) {
  ImportRig rig;
  EXPECT_EQ(rig.Import(EntryJson(SampleEntry()).dump(), {"--detailed-exitcode"}), 0) << rig.err();
  EXPECT_TRUE(rig.issuer.applies.empty());
  EXPECT_EQ(rig.out(), "0 created, 0 updated, 1 unchanged.\n");
  EXPECT_EQ(rig.Import(EntryJson(SampleEntry()).dump(), {"-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["changed"], false);
  EXPECT_EQ(rig.Json()["unchanged"], 1);
  EXPECT_TRUE(rig.Json()["entries"].empty());
  EXPECT_EQ(rig.Import(""), 0) << "an empty file wants nothing";
}

TEST(EntryImport, TriesWithoutChangingAnything) {
  ImportRig rig;
  EXPECT_EQ(rig.Import(LineOf("/new"), {"--dry-run"}), 0);
  EXPECT_TRUE(rig.issuer.applies.at(0).dry_run());
  EXPECT_NE(rig.out().find("\nDry run, nothing is changed: 1 created, 0 updated, 0 unchanged.\n"),
            std::string::npos)
      << rig.out();
}

TEST(EntryImport, NamesTheLineOfEachRefusal) {
  ImportRig rig;
  admin::v1::ApplyEntriesResponse response;
  Refuse(response, 1, "entry-scope", "without node scope", "Name nodes.");
  rig.issuer.applied = response;
  const std::string file = LineOf("/a") + "\n\n" + LineOf("/b") + "\n" + LineOf("/c");
  EXPECT_EQ(rig.Import(file), 1);
  EXPECT_EQ(rig.err(), "lodekey: line 3: without node scope. [entry-scope]\n  Name nodes.\n");
  Refuse(*rig.issuer.applied, 2, "node-not-found", "the node is not known", "");
  EXPECT_EQ(rig.Import(file), 1);
  EXPECT_NE(rig.err().find("lodekey: line 3: without node scope. [entry-scope]\n"),
            std::string::npos);
  EXPECT_NE(rig.err().find("lodekey: line 4: the node is not known. [node-not-found]\n"),
            std::string::npos);
  EXPECT_NE(rig.err().find("2 of 3 changes are refused; nothing is changed. [entries-refused]"),
            std::string::npos)
      << rig.err();
}

TEST(EntryImport, NamesEveryLineThatIsNoEntry) {
  ImportRig rig;
  EXPECT_EQ(rig.Import("{\"ownr\":\"x\"}\n" + LineOf("/a") + "\nspiffe://x\n"), 1);
  EXPECT_TRUE(rig.issuer.applies.empty());
  EXPECT_TRUE(rig.issuer.entry_lists.empty()) << "nothing is asked for a file that is wrong";
  EXPECT_NE(rig.err().find("line 1: unknown key 'ownr' (did you mean 'owner'?). [entry-malformed]"),
            std::string::npos)
      << rig.err();
  EXPECT_NE(rig.err().find("line 3: no JSON from byte 1 on. [entry-malformed]"), std::string::npos);
  EXPECT_NE(rig.err().find("2 lines of " + rig.path + " cannot be imported; nothing is changed"),
            std::string::npos)
      << rig.err();
  EXPECT_EQ(rig.Import(LineOf("/a") + "\n" + LineOf("/a"), {"-o", "json"}), 1);
  EXPECT_EQ(rig.ErrorJson()["code"], "entry-exists");
  EXPECT_EQ(rig.ErrorJson()["message"], "line 2: means the same entry as line 1");
}

TEST(EntryImport, StopsAtTheHundredthProblem) {
  ImportRig rig;
  std::string file;
  for (int i = 0; i < 1000; ++i) file += "x\n";
  EXPECT_EQ(rig.Import(file), 1);
  EXPECT_NE(rig.err().find("line 100: "), std::string::npos);
  EXPECT_EQ(rig.err().find("line 101: "), std::string::npos);
}

TEST(EntryImport, RefusesFilesThatAreTooLargeOrNotThere) {
  ImportRig rig;
  EXPECT_EQ(rig.Import(LineOf("/a") + "\n" + std::string(kMaxEntryLine + 1, ' ')), 1);
  EXPECT_NE(rig.err().find("line 2 is longer than 262144 bytes. [entry-file-too-large]"),
            std::string::npos)
      << rig.err();
  EXPECT_EQ(rig.Import(std::string(100'001, '\n')), 1);
  EXPECT_NE(rig.err().find("[entry-file-too-large]"), std::string::npos) << rig.err();
  EXPECT_EQ(rig.Run({"entry", "import", rig.scratch / "absent"}), 1);
  EXPECT_NE(rig.err().find("[file-not-found]"), std::string::npos) << rig.err();
  EXPECT_EQ(rig.Run({"entry", "import"}), 2);
  std::string many;
  for (int i = 0; i < 1001; ++i) many += LineOf(fmt::format("/{}", i)) + "\n";
  EXPECT_EQ(rig.Import(many), 1);
  EXPECT_NE(rig.err().find("[too-many-changes]"), std::string::npos) << rig.err();
  EXPECT_TRUE(rig.issuer.applies.empty());
}

}  // namespace
}  // namespace lodekey::cli
