// What every store promises of entries.
#include <algorithm>

#include "issuer/entry_record.h"
#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using attest::Entry;
using test::Must;
using test::SampleEntry;
using test::SampleEntryId;

class StoreEntriesTest : public StoreTest {
 protected:
  Result<crypto::ChainHead> PutEntry(const Entry& entry) {
    return Commit([&](Transaction& transaction) { return transaction.PutEntry(entry); });
  }
  Result<crypto::ChainHead> DeleteEntry(unsigned number, uint64_t revision) {
    return Commit([&](Transaction& transaction) {
      return transaction.DeleteEntry(SampleEntryId(number), revision);
    });
  }
  void ExpectPutFails(const Entry& entry, Code code, std::string_view name) {
    ExpectFails([&](Transaction& transaction) { return transaction.PutEntry(entry); }, code, name);
  }
  std::vector<std::string> List(const std::string& after, size_t limit) {
    std::vector<std::string> ids;
    for (const Entry& entry :
         Read<std::vector<Entry>>([&](View& view) { return view.ListEntries(after, limit); }))
      ids.push_back(entry.id);
    return ids;
  }
  std::optional<std::string> Alike(const Entry& entry) {
    return Read<std::optional<std::string>>([&](View& view) { return view.FindAlike(entry); });
  }
  uint64_t Count() {
    return Read<uint64_t>([](View& view) { return view.CountEntries(); });
  }
};

TEST_P(StoreEntriesTest, GivesBackWhatWasStored) {
  Must(PutEntry(SampleEntry(1)));
  Entry wanted = SampleEntry(1);
  wanted.revision = 1;
  EXPECT_EQ(FindEntry(1), wanted);
  EXPECT_EQ(FindEntry(2), std::nullopt);
  EXPECT_EQ(Count(), 1U);
}

TEST_P(StoreEntriesTest, ReplacesTheRevisionThatWasSeenAndNoOther) {
  Must(PutEntry(SampleEntry(1)));
  Entry changed = FindEntry(1).value();
  changed.owner = "others";
  Must(PutEntry(changed));
  EXPECT_EQ(FindEntry(1)->owner, "others");
  EXPECT_EQ(FindEntry(1)->revision, 2U);
  changed.owner = "too late";
  ExpectPutFails(changed, Code::kConflict, "entry-changed");
  changed.revision = 0;
  ExpectPutFails(changed, Code::kConflict, "entry-changed");
  EXPECT_EQ(FindEntry(1)->owner, "others");
  Entry absent = SampleEntry(2);
  absent.revision = 1;
  ExpectPutFails(absent, Code::kConflict, "entry-changed");
  EXPECT_EQ(Count(), 1U);
}

TEST_P(StoreEntriesTest, DeletesTheRevisionThatWasSeenAndNoOther) {
  Must(PutEntry(SampleEntry(1)));
  for (const uint64_t revision : {0U, 2U}) {
    ExpectFails(
        [&](Transaction& transaction) {
          return transaction.DeleteEntry(SampleEntryId(1), revision);
        },
        Code::kConflict, "entry-changed");
  }
  Must(DeleteEntry(1, 1));
  EXPECT_EQ(FindEntry(1), std::nullopt);
  EXPECT_EQ(Count(), 0U);
  EXPECT_FALSE(DeleteEntry(1, 1));
  Must(PutEntry(SampleEntry(1)));
  EXPECT_EQ(FindEntry(1)->revision, 1U);
}

// The same identity for the same processes on the same nodes, however it is written.
TEST_P(StoreEntriesTest, KeepsNoTwoThatAreAlike) {
  Must(PutEntry(SampleEntry(1)));
  Must(PutEntry(SampleEntry(2)));
  Entry twin = SampleEntry(1);
  twin.id = SampleEntryId(3);
  twin.owner = "somebody else";
  std::ranges::reverse(twin.selectors);
  ExpectPutFails(twin, Code::kConflict, "entry-exists");
  EXPECT_EQ(Alike(twin), SampleEntryId(1));
  EXPECT_EQ(Alike(SampleEntry(1)), std::nullopt) << "itself";
  Entry moved = FindEntry(2).value();
  moved.spiffe_id = SampleEntry(1).spiffe_id;
  ExpectPutFails(moved, Code::kConflict, "entry-exists");
  EXPECT_EQ(Count(), 2U);

  Must(DeleteEntry(1, 1));
  Must(PutEntry(twin));
  EXPECT_EQ(List("", 10), (std::vector{SampleEntryId(2), SampleEntryId(3)}));
}

TEST_P(StoreEntriesTest, TellsEntriesApartByIdentityScopeAndSelectors) {
  Must(PutEntry(SampleEntry(1)));
  unsigned number = 2;
  for (const std::function<void(Entry&)>& change : std::vector<std::function<void(Entry&)>>{
           [](Entry& entry) { entry.spiffe_id += "/other"; },
           [](Entry& entry) { entry.scope.nodes.push_back(test::SampleNodeId(2)); },
           [](Entry& entry) { entry.scope.labels["site"] = "paris"; },
           [](Entry& entry) { entry.scope.labels.clear(); },
           [](Entry& entry) { entry.selectors.pop_back(); }}) {
    Entry other = SampleEntry(1);
    other.id = SampleEntryId(number);
    change(other);
    EXPECT_TRUE(PutEntry(other)) << number;
    ++number;
  }
  EXPECT_EQ(Count(), 6U);
}

TEST_P(StoreEntriesTest, ListsThemInOrderPageByPage) {
  for (const unsigned number : {3U, 1U, 2U}) Must(PutEntry(SampleEntry(number)));
  EXPECT_EQ(List("", 2), (std::vector{SampleEntryId(1), SampleEntryId(2)}));
  EXPECT_EQ(List(SampleEntryId(2), 2), std::vector{SampleEntryId(3)});
  EXPECT_TRUE(List(SampleEntryId(3), 2).empty());
}

TEST_P(StoreEntriesTest, RefusesEntriesBeyondTheLimits) {
  Entry nameless = SampleEntry(1);
  nameless.id.clear();
  Entry long_name = SampleEntry(1);
  long_name.id.assign(kMaxEntryId + 1, 'e');
  Entry large = SampleEntry(1);
  large.owner.assign(kMaxEntryContent, 'x');
  for (const Entry& entry : {nameless, long_name, large})
    ExpectPutFails(entry, Code::kInvalidArgument, "record-invalid");
  EXPECT_EQ(Count(), 0U);
}

TEST_P(StoreEntriesTest, TakesBackWhatAFailedChangeDid) {
  Must(PutEntry(SampleEntry(1)));
  ExpectFails(
      [](Transaction& transaction) -> Result<void> {
        Must(transaction.DeleteEntry(SampleEntryId(1), 1));
        Must(transaction.PutEntry(SampleEntry(2)));
        EXPECT_EQ(Must(transaction.CountEntries()), 1U);
        return Fail(Code::kDenied, "no");
      },
      Code::kDenied, "denied");
  EXPECT_EQ(List("", 10), std::vector{SampleEntryId(1)});
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreEntriesTest, ::testing::ValuesIn(Stores()), StoreName);

}  // namespace
}  // namespace lodekey::issuer
