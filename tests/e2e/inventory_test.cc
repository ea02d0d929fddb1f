// The inventory and the audit log with the real programs: an operator on the issuer's host.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/deployment.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

const std::string kFirst(64, '1');
const std::string kSecond(64, '2');

class InventoryEndToEnd : public testing::Test {
 protected:
  void SetUp() override {
    issuer_.Init();
    issuer_.Start();
  }
  // As a person calls it.
  Finished Lodekey(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     {ProgramPath("lodekey"), "--admin-socket", issuer_.directory / "admin.sock"});
    return RunProgram(arguments);
  }
  Finished Import(const std::string& content, std::vector<std::string> more = {}) const {
    Must(WriteText(file_, content));
    more.insert(more.begin(), {"node", "import", file_, "--detailed-exitcode"});
    return Lodekey(std::move(more));
  }
  nlohmann::json Nodes() const { return issuer_.AdminJson({"node", "list"})["nodes"]; }

  IssuerHost issuer_{nullptr};
  std::string file_ = issuer_.directory / "nodes.csv";
};

TEST_F(InventoryEndToEnd, AListIsTriedThenImportedAllOfItOrNothing) {
  const std::string list =
      "ek_hash,owner,site\r\n" + kFirst + ",\"web, team\",fra1\r\n" + kSecond + ",db,\r\n";
  const Finished tried = Import(list, {"--dry-run"});
  EXPECT_EQ(tried.out, "Dry run, nothing is changed: 2 created, 0 updated, 0 unchanged.\n")
      << tried.err;
  EXPECT_TRUE(Nodes().empty());

  const Finished broken = Import(list + "nonsense,,\r\n" + kFirst + ",,\r\n");
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_NE(broken.err.find(file_ + ":4: 'nonsense' is not the hash of an endorsement key"),
            std::string::npos)
      << broken.err;
  EXPECT_NE(broken.err.find(file_ + ":5: row 1 is of the same node"), std::string::npos)
      << broken.err;
  EXPECT_TRUE(Nodes().empty());

  EXPECT_EQ(Import(list).exit_code, 10);
  ASSERT_EQ(Nodes().size(), 2u);
  EXPECT_EQ(Nodes()[0]["labels"]["owner"], "web, team");
  const Finished again = Import(list);
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.out, "0 created, 0 updated, 2 unchanged.\n");

  ASSERT_EQ(Lodekey({"node", "remove", kSecond}).exit_code, 0);
  const Finished removed = Import(list);
  EXPECT_EQ(removed.exit_code, 1);
  EXPECT_NE(removed.err.find(file_ + ":3: node " + kSecond + " is removed. [node-removed]"),
            std::string::npos)
      << removed.err;
}

TEST_F(InventoryEndToEnd, NobodyWaitsWhoDidNotProveItsTpm) {
  EXPECT_EQ(Lodekey({"node", "pending"}).out, "No host waits for approval.\n");
  ASSERT_EQ(Lodekey({"node", "allow", kFirst}).exit_code, 0);
  const Finished approved = Lodekey({"node", "approve", kFirst, "--detailed-exitcode"});
  EXPECT_EQ(approved.exit_code, 0) << approved.err;
  EXPECT_EQ(approved.out, "0 approved, 1 unchanged.\n");
  const Finished denied = Lodekey({"node", "deny", kFirst});
  EXPECT_EQ(denied.exit_code, 1);
  EXPECT_NE(denied.err.find("[node-not-pending]"), std::string::npos) << denied.err;
}

TEST_F(InventoryEndToEnd, TheAuditLogIsSearchedAndAPartOfItExported) {
  ASSERT_EQ(Import("ek_hash,site\n" + kFirst + ",fra1\n" + kSecond + ",fra2\n").exit_code, 10);
  const auto found =
      issuer_.AdminJson({"audit", "search", "--event", "node.allowed", "--node", kSecond});
  ASSERT_EQ(found["records"].size(), 1u);
  EXPECT_EQ(found["records"][0]["record"]["detail"], "site=fra2");
  EXPECT_EQ(Lodekey({"audit", "search", "--until", "1h"}).out, "No record.\n");

  const std::string part = issuer_.directory / "part.jsonl";
  const Finished exported =
      Lodekey({"audit", "export", "--since", "1h", "--output", part, "--inputs"});
  EXPECT_EQ(exported.exit_code, 0) << exported.err;
  const Finished verified = Lodekey({"audit", "verify", part});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  const Finished input = Lodekey({"audit", "input", std::string(64, 'a')});
  EXPECT_EQ(input.exit_code, 1);
  EXPECT_NE(input.err.find("[decision-not-found]"), std::string::npos) << input.err;
}

}  // namespace
}  // namespace lodekey::test
