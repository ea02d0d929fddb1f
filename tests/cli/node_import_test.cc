#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/inventory_file.h"
#include "tests/cli/fakes.h"
#include "tests/platform/scratch.h"
#include "tests/support/must.h"

namespace lodekey::cli {
namespace {

using test::Must;
using Labels = std::map<std::string, std::string>;

const std::string kFirst(64, 'a');
const std::string kSecond(64, 'b');

std::vector<std::string> Problems(std::string_view text) {
  const auto list = ParseInventory(text);
  if (!list) return {list.error().text};
  std::vector<std::string> texts;
  for (const Error& problem : list->problems) texts.push_back(problem.text);
  return texts;
}

TEST(InventoryFile, ReadsColumnsAsLabels) {
  const auto list = Must(ParseInventory(fmt::format(
      "site,ek_hash,labels,owner\nberlin,{},\"group=edge,rack=7\",\"web, team\"\n,{},,\n", kFirst,
      kSecond)));
  ASSERT_TRUE(list.problems.empty());
  ASSERT_EQ(list.lines.size(), 2U);
  EXPECT_EQ(list.lines[0].ek_hash, kFirst);
  EXPECT_EQ(list.lines[0].place, "2");
  EXPECT_EQ(list.lines[0].labels,
            (Labels{{"group", "edge"}, {"owner", "web, team"}, {"rack", "7"}, {"site", "berlin"}}));
  EXPECT_EQ(list.lines[1].labels, (Labels{{"owner", ""}, {"site", ""}})) << "takes them away";
}

TEST(InventoryFile, ReadsAJsonArray) {
  const auto list = Must(ParseInventory(fmt::format(
      R"([{{"ek_hash":"{}","owner":"web","site":"berlin","labels":{{"rack":"7"}}}},{{"ek_hash":"{}"}}])",
      kFirst, kSecond)));
  ASSERT_EQ(list.lines.size(), 2U);
  EXPECT_EQ(list.lines[0].labels, (Labels{{"owner", "web"}, {"rack", "7"}, {"site", "berlin"}}));
  EXPECT_EQ(list.lines[1].place, "row 2");
  EXPECT_TRUE(list.lines[1].labels.empty());
}

TEST(InventoryFile, NamesTheLineOfEachBadRow) {
  EXPECT_EQ(Problems("ek_hash,labels,site\na,\"x\",\nb,\"site=z\",y\nc,=1,\nd,,\n"),
            (std::vector<std::string>{"2: 'x' is not of the form NAME=VALUE",
                                      "3: label 'site' is given twice", "4: a label has no name"}));
  EXPECT_EQ(Problems("owner\nx\n"),
            std::vector<std::string>{"1: the header has no column 'ek_hash'"});
  EXPECT_EQ(Problems("ek_hash\n\"x\n"), std::vector<std::string>{"2:1: the quote is never closed"});
}

TEST(InventoryFile, NamesTheRowOrThePlaceInJson) {
  EXPECT_EQ(
      Problems(
          R"([1,{"ek_hash":1},{"rack":"7"},{"labels":{"a":1}},{"owner":"x","labels":{"owner":"y"}}])"),
      (std::vector<std::string>{"row 1: must be an object", "row 2: 'ek_hash' must be a string",
                                "row 3: unknown key 'rack'",
                                "row 4: 'labels' must be an object of strings",
                                "row 5: label 'owner' is given twice"}));
  EXPECT_EQ(Problems("[\n{\"ek_hash\": x}]"),
            std::vector<std::string>{"2:13: no JSON from here on"});
  EXPECT_EQ(Problems(R"([{"ek_hash":"a","ek_hash":"b"}])"),
            std::vector<std::string>{"'ek_hash' stands twice"});
  EXPECT_EQ(Problems(R"([{"labels":{"a":{"b":{}}}}])"),
            std::vector<std::string>{"values are nested too deep"});
}

TEST(InventoryFile, IsBounded) {
  std::string rows = "ek_hash\n";
  std::string array = "[";
  for (size_t i = 0; i <= kMaxInventoryRows; ++i) {
    rows += "a\n";
    array += i == 0 ? "{}" : ",{}";
  }
  EXPECT_EQ(Problems(rows), std::vector<std::string>{"10002:1: more than 10000 records"});
  EXPECT_EQ(Problems(array + "]"), std::vector<std::string>{"more than 10000 hosts"});
  std::string bad = "ek_hash,labels\n";
  for (int i = 0; i < 500; ++i) bad += "a,x\n";
  EXPECT_EQ(Problems(bad).size(), 100U);
}

// An issuer that answers, and a file.
struct ImportRig : CommandRig {
  ImportRig() { issuer.imported = admin::v1::ImportNodesResponse(); }
  int Import(const std::string& content, std::vector<std::string> more = {}) {
    std::ofstream(path, std::ios::trunc) << content;
    more.insert(more.begin(), {"node", "import", path});
    return Run(std::move(more));
  }
  void Answer(bool created, bool changed) {
    auto& node = *issuer.imported->add_imported();
    node.set_id(kFirst);
    node.set_created(created);
    node.set_changed(changed);
  }
  void Refuse(uint32_t index, const std::string& code) {
    auto& refused = *issuer.imported->add_refused();
    refused.set_index(index);
    refused.set_code(code);
    refused.set_text("node is " + code);
    refused.set_advice("Take it out.");
  }
  platform::ScratchDir scratch;
  std::string path = scratch / "nodes.csv";
};

TEST(NodeImport, SendsAllRowsAtOnceAndCountsThem) {
  ImportRig rig;
  rig.Answer(true, true);
  rig.Answer(false, true);
  rig.Answer(false, false);
  EXPECT_EQ(rig.Import("ek_hash,site\n" + kFirst + ",berlin\n" + kSecond + ",\n",
                       {"--detailed-exitcode"}),
            10)
      << rig.err();
  ASSERT_EQ(rig.issuer.imports.size(), 1U);
  ASSERT_EQ(rig.issuer.imports[0].rows_size(), 2);
  EXPECT_EQ(rig.issuer.imports[0].rows(0).ek_hash(), kFirst);
  EXPECT_EQ(rig.issuer.imports[0].rows(0).labels().at("site"), "berlin");
  EXPECT_EQ(rig.issuer.imports[0].rows(1).labels().at("site"), "");
  EXPECT_FALSE(rig.issuer.imports[0].dry_run());
  EXPECT_EQ(rig.out(), "1 created, 1 updated, 1 unchanged.\n");
  EXPECT_EQ(rig.Import("ek_hash\n" + kFirst + "\n", {"-o", "json", "--dry-run"}), 0);
  EXPECT_TRUE(rig.issuer.imports[1].dry_run());
  EXPECT_EQ(rig.Json()["created"], 1);
  EXPECT_EQ(rig.Json()["dry_run"], true);
  EXPECT_EQ(rig.Json()["nodes"].size(), 3U);
}

TEST(NodeImport, EndsWithNothingChangedWhenAllIsAsTheFileSays) {
  ImportRig rig;
  rig.Answer(false, false);
  EXPECT_EQ(rig.Import("ek_hash\n" + kFirst + "\n", {"--detailed-exitcode"}), 0);
  EXPECT_EQ(rig.out(), "0 created, 0 updated, 1 unchanged.\n");
}

TEST(NodeImport, NamesEachBadLineAndSendsNothing) {
  ImportRig rig;
  EXPECT_EQ(rig.Import("ek_hash,labels\n" + kFirst + ",x\n" + kSecond + ",y\n"), 1);
  EXPECT_NE(rig.err().find(rig.path + ":2: 'x' is not of the form NAME=VALUE"), std::string::npos)
      << rig.err();
  EXPECT_NE(rig.err().find(rig.path + ":3: "), std::string::npos) << rig.err();
  EXPECT_NE(rig.err().find("2 rows of " + rig.path + " cannot be imported; nothing is changed"),
            std::string::npos)
      << rig.err();
  EXPECT_EQ(rig.Import("ek_hash\n\"x\n"), 1);
  EXPECT_NE(rig.err().find(rig.path + ":2:1: the quote is never closed"), std::string::npos)
      << rig.err();
  EXPECT_TRUE(rig.issuer.imports.empty());
}

TEST(NodeImport, NamesTheLineOfEachRowThatTheIssuerRefuses) {
  ImportRig rig;
  rig.Refuse(1, "node-removed");
  EXPECT_EQ(rig.Import("ek_hash\n\n" + kFirst + "\n" + kSecond + "\n"), 1);
  EXPECT_NE(rig.err().find(rig.path + ":4: node is node-removed. [node-removed]\n  Take it out."),
            std::string::npos)
      << rig.err();
}

TEST(NodeImport, SaysWhenTheFileIsNotThere) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"node", "import", "/nonexistent/nodes.csv"}), 1);
  EXPECT_NE(rig.err().find("[file-not-found]"), std::string::npos) << rig.err();
}

}  // namespace
}  // namespace lodekey::cli
