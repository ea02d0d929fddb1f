// Entries with the real programs: an operator on the issuer's host.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/deployment.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

const std::string kNode(64, '4');

class EntriesEndToEnd : public testing::Test {
 protected:
  void SetUp() override {
    issuer_.Init();
    issuer_.Start();
    ASSERT_EQ(issuer_.Admin({"node", "allow", kNode, "--label", "site=fra1"}).exit_code, 0);
  }
  // As a person calls it.
  Finished Lodekey(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {ProgramPath("lodekey"), "--admin-socket",
                                         issuer_.directory / "admin.sock", "entry"});
    return RunProgram(arguments);
  }
  // The id of a new entry for this path.
  std::string Create(const std::string& path) const {
    const auto created = issuer_.AdminJson(
        {"entry", "create", "--spiffe-id", "spiffe://e2e.example" + path, "--node",
         kNode.substr(0, 8), "--selector", "unix:uid:1000", "--owner", "web team"});
    return created["entries"][0]["after"].value("id", "");
  }
  nlohmann::json List() const { return issuer_.AdminJson({"entry", "list"})["entries"]; }
  // One entry a line, as a pipe through jq makes them.
  void WriteEntries(const nlohmann::json& entries) const {
    std::string lines;
    for (const auto& entry : entries) lines += entry.dump() + "\n";
    Must(WriteText(file_, lines));
  }

  IssuerHost issuer_{nullptr};
  std::string file_ = issuer_.directory / "entries.jsonl";
};

TEST_F(EntriesEndToEnd, AnEntryIsCreatedListedChangedAndDeleted) {
  const std::string id = Create("/{{site}}/web");
  ASSERT_EQ(id.size(), 36u);
  const Finished listed = Lodekey({"list", "--node", kNode, "--selector", "unix:uid:1000"});
  EXPECT_NE(listed.out.find(id + "  spiffe://e2e.example/{{site}}/web"), std::string::npos)
      << listed.out << listed.err;
  const Finished updated = Lodekey({"update", id.substr(0, 13), "--jwt-audience", "*", "--clear",
                                    "owner", "--diff", "--detailed-exitcode"});
  EXPECT_EQ(updated.exit_code, 10) << updated.err;
  EXPECT_NE(updated.out.find("  + jwt_audiences: *\n  - owner: web team\n"), std::string::npos)
      << updated.out;
  EXPECT_EQ(issuer_.AdminJson({"entry", "show", id})["entry"].value("revision", 0), 2);
  EXPECT_EQ(Lodekey({"delete", id, "--detailed-exitcode"}).exit_code, 10);
  EXPECT_EQ(Lodekey({"delete", id, "--detailed-exitcode"}).exit_code, 0) << "safe to repeat";
  EXPECT_TRUE(List().empty());
  EXPECT_EQ(issuer_.Admin({"audit", "verify"}).exit_code, 0);
}

TEST_F(EntriesEndToEnd, AnEntryThatWouldBeEverybodysIsRefusedWithTheReason) {
  const Finished scopeless =
      Lodekey({"create", "--spiffe-id", "spiffe://e2e.example/web", "--selector", "unix:uid:1000"});
  EXPECT_EQ(scopeless.exit_code, 1);
  EXPECT_EQ(scopeless.err,
            "lodekey: an entry without node scope would be given out on every host. [entry-scope]\n"
            "  Name nodes (--node) or labels that they have (--node-label).\n");
  const Finished executable = Lodekey({"create", "--spiffe-id", "spiffe://e2e.example/web",
                                       "--node", kNode, "--selector", "unix:path:/usr/bin/web"});
  EXPECT_EQ(executable.exit_code, 1);
  EXPECT_EQ(executable.err,
            "lodekey: selectors of the executable alone: any user of the host may run it. "
            "[entry-selectors]\n"
            "  Add a user or group, for example unix:uid:1000.\n");
  EXPECT_TRUE(List().empty());
}

TEST_F(EntriesEndToEnd, AFileIsTriedThenImportedAllOfItOrNothing) {
  Create("/web");
  nlohmann::json entries = List();
  entries[0]["owner"] = "others";
  entries.push_back({{"spiffe_id", "spiffe://e2e.example/db"},
                     {"node_labels", {{"site", "fra1"}}},
                     {"selectors", {"unix:user:postgres"}}});
  WriteEntries(entries);
  const Finished tried =
      RunProgram({"/bin/sh", "-c",
                  fmt::format("'{}' --admin-socket '{}' entry import - --dry-run --diff < '{}'",
                              ProgramPath("lodekey"), issuer_.directory / "admin.sock", file_)});
  EXPECT_EQ(tried.exit_code, 0) << tried.err;
  EXPECT_NE(tried.out.find("  - owner: web team\n  + owner: others\n"), std::string::npos)
      << tried.out;
  EXPECT_NE(tried.out.find("Would create an entry (spiffe://e2e.example/db)\n"), std::string::npos)
      << tried.out;
  EXPECT_EQ(List().size(), 1u);

  entries.push_back({{"spiffe_id", "spiffe://e2e.example/none"}, {"selectors", {"unix:uid:1"}}});
  WriteEntries(entries);
  const Finished refused = Lodekey({"import", file_});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("line 3: an entry without node scope"), std::string::npos)
      << refused.err;
  EXPECT_EQ(List().size(), 1u);

  entries.erase(2);
  WriteEntries(entries);
  EXPECT_EQ(Lodekey({"import", file_, "--detailed-exitcode"}).exit_code, 10);
  EXPECT_EQ(List().size(), 2u);
  EXPECT_EQ(List()[0].value("owner", ""), "others");
  const Finished again = Lodekey({"import", file_, "--detailed-exitcode"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.out, "0 created, 0 updated, 2 unchanged.\n");
}

}  // namespace
}  // namespace lodekey::test
