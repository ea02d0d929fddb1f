#include "issuer/entry_index.h"

#include <gtest/gtest.h>

#include "tests/issuer/store_fixture.h"

namespace lodekey::test {
namespace {

using issuer::EntryIndex;

class EntryIndexTest : public testing::Test {
 protected:
  void Put(const std::string& id, const attest::NodeScope& scope, Time expires = {}) {
    attest::Entry entry;
    entry.id = id;
    entry.scope = scope;
    entry.expires = expires;
    index.Put(std::move(entry));
  }
  // Ids of what the node has.
  std::vector<std::string> Of(unsigned node, const attest::Labels& labels = {}) const {
    return Ids(index.For(SampleNodeId(node), labels));
  }
  static std::vector<std::string> Ids(const std::vector<const attest::Entry*>& entries) {
    std::vector<std::string> ids;
    for (const attest::Entry* entry : entries) ids.push_back(entry->id);
    return ids;
  }
  using Texts = std::vector<std::string>;

  EntryIndex index;
};

TEST_F(EntryIndexTest, FindsWhatNamesTheNodeAndWhatItsLabelsFitOldestFirst) {
  Put("c", {.nodes = {SampleNodeId(1)}});
  Put("a", {.labels = {{"site", "berlin"}}});
  Put("b", {.nodes = {SampleNodeId(2)}, .labels = {{"site", "paris"}}});
  EXPECT_EQ(Of(1, {{"site", "berlin"}}), (Texts{"a", "c"}));
  EXPECT_EQ(Of(1), Texts{"c"});
  EXPECT_EQ(Of(2), Texts{"b"});
  EXPECT_EQ(Of(3, {{"site", "paris"}}), Texts{"b"});
  EXPECT_EQ(Of(3, {{"site", "rome"}}), Texts{});
}

TEST_F(EntryIndexTest, WantsAllLabelsWhicheverItIsFoundUnder) {
  Put("a", {.labels = {{"fleet", "edge"}, {"host", "1"}}});
  Put("b", {.labels = {{"fleet", "edge"}, {"host", "2"}}});
  EXPECT_EQ(Of(1, {{"fleet", "edge"}, {"host", "1"}}), Texts{"a"});
  EXPECT_EQ(Of(1, {{"fleet", "edge"}, {"host", "2"}}), Texts{"b"});
  EXPECT_EQ(Of(1, {{"fleet", "edge"}}), Texts{});
  EXPECT_EQ(Of(1, {{"host", "1"}}), Texts{});
}

TEST_F(EntryIndexTest, ForgetsWhereAnEntryWasBefore) {
  Put("a", {.nodes = {SampleNodeId(1)}, .labels = {{"site", "berlin"}}});
  Put("a", {.nodes = {SampleNodeId(2)}});
  EXPECT_EQ(Of(1, {{"site", "berlin"}}), Texts{});
  EXPECT_EQ(Of(2), Texts{"a"});
  index.Remove("a");
  index.Remove("a");
  EXPECT_EQ(Of(2), Texts{});
  EXPECT_EQ(index.Find("a"), nullptr);
}

TEST_F(EntryIndexTest, KnowsWhatEndsWhen) {
  Put("never", {.nodes = {SampleNodeId(1)}});
  Put("first", {.nodes = {SampleNodeId(1)}}, At(100));
  Put("second", {.nodes = {SampleNodeId(1)}}, At(200));
  EXPECT_EQ(Ids(index.EndedBetween(At(0), At(99))), Texts{});
  EXPECT_EQ(Ids(index.EndedBetween(At(0), At(100))), Texts{"first"});
  EXPECT_EQ(Ids(index.EndedBetween(At(100), At(200))), Texts{"second"});
  EXPECT_TRUE(index.AnyEndsAfter(At(199)));
  EXPECT_FALSE(index.AnyEndsAfter(At(200)));
  index.Remove("second");
  EXPECT_FALSE(index.AnyEndsAfter(At(100)));
}

}  // namespace
}  // namespace lodekey::test
