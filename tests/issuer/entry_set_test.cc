#include "issuer/entry_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/issuer/store_fixture.h"
#include "tests/issuer/workload.h"

namespace lodekey::test {
namespace {

using issuer::EntriesOf;

class EntrySetTest : public testing::Test {
 protected:
  EntrySetTest() {
    entry.id = "a";
    entry.revision = 3;
    bundle.set_sequence(7);
    bundle.add_roots("root");
  }
  issuer::NodeEntries Made(Time now = At(0)) const {
    return EntriesOf({&entry}, labels, bundle, now);
  }

  attest::Entry entry = EntryFor(Host());
  attest::Labels labels = {{"site", "berlin"}};
  node::Bundle bundle;
};

TEST_F(EntrySetTest, HasTheEntryAsTheNodeUsesIt) {
  entry.spiffe_id = "spiffe://example.org/{{site}}/web";
  const auto made = Made();
  ASSERT_EQ(made.set.entries_size(), 1);
  EXPECT_EQ(made.set.entries(0).id(), "a");
  EXPECT_EQ(made.set.entries(0).revision(), 3U);
  EXPECT_EQ(made.set.entries(0).spiffe_id(), "spiffe://example.org/berlin/web");
  EXPECT_FALSE(made.set.entries(0).has_scope()) << "which other nodes have it is not the node's";
  EXPECT_EQ(made.set.bundle().sequence(), 7U);
}

TEST_F(EntrySetTest, SaysWhyAnEntryCannotBeUsed) {
  entry.spiffe_id = "spiffe://example.org/{{rack}}/web";
  const auto made = Made();
  EXPECT_EQ(made.set.entries_size(), 0);
  ASSERT_EQ(made.set.unusable_size(), 1);
  EXPECT_EQ(made.set.unusable(0).entry_id(), "a");
  EXPECT_EQ(made.set.unusable(0).code(), "label-missing");
  EXPECT_FALSE(made.set.unusable(0).text().empty());
  EXPECT_FALSE(made.set.unusable(0).advice().empty());
}

TEST_F(EntrySetTest, LeavesOutWhatHasEnded) {
  entry.expires = At(100);
  EXPECT_EQ(Made(At(99)).set.entries_size(), 1);
  EXPECT_EQ(Made(At(100)).set.entries_size(), 0);
  EXPECT_EQ(Made(At(100)).left_out, 0U);
}

TEST_F(EntrySetTest, IsTheSameBytesForTheSameEntries) {
  EXPECT_EQ(Made().set.SerializeAsString(), Made().set.SerializeAsString());
}

TEST_F(EntrySetTest, KeepsTheOldestWhenThereAreTooMany) {
  std::vector<attest::Entry> entries(issuer::kMaxSetEntries + 5, entry);
  std::vector<const attest::Entry*> pointers;
  for (size_t i = 0; i < entries.size(); ++i) {
    entries[i].id = fmt::format("{:08}", i);
    pointers.push_back(&entries[i]);
  }
  const auto made = EntriesOf(pointers, labels, bundle, At(0));
  EXPECT_EQ(made.set.entries_size(), static_cast<int>(issuer::kMaxSetEntries));
  EXPECT_EQ(made.set.entries(0).id(), "00000000");
  EXPECT_EQ(made.left_out, 5U);
}

TEST_F(EntrySetTest, FitsAMessageWhateverItsEntriesHold) {
  entry.dns_names.assign(32, std::string(200, 'x'));
  std::vector<const attest::Entry*> entries(2000, &entry);
  const auto made = EntriesOf(entries, labels, bundle, At(0));
  EXPECT_LE(made.set.ByteSizeLong(), issuer::kMaxSetBytes);
  EXPECT_GT(made.set.ByteSizeLong(), issuer::kMaxSetBytes - 8192);
  EXPECT_EQ(made.left_out, 2000U - static_cast<size_t>(made.set.entries_size()));
}

}  // namespace
}  // namespace lodekey::test
