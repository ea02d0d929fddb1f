#include "issuer/entry_message.h"

#include <gtest/gtest.h>

#include "attest/entry_codec.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

namespace admin = lodekey::admin::v1;

TEST(EntryMessage, CarriesEachKindOfChange) {
  admin::ApplyEntriesRequest request;
  *request.add_changes()->mutable_create() = attest::EncodeEntry(SampleEntry(1));
  *request.add_changes()->mutable_update() = attest::EncodeEntry(SampleEntry(2));
  request.add_changes()->mutable_remove()->set_entry("0190b2c4");
  const auto changes = issuer::DecodeEntryChanges(request);
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(std::get<issuer::CreateEntry>(*changes[0]).entry, SampleEntry(1));
  EXPECT_EQ(std::get<issuer::UpdateEntry>(*changes[1]).entry, SampleEntry(2));
  EXPECT_EQ(std::get<issuer::DeleteEntry>(*changes[2]).entry, "0190b2c4");
}

TEST(EntryMessage, KeepsThePlaceOfAChangeThatCannotBeRead) {
  admin::ApplyEntriesRequest request;
  request.add_changes();
  request.add_changes()->mutable_create()->add_selectors("unix:uid");
  request.add_changes()->mutable_update()->set_x509_ttl_ms(-1);
  request.add_changes()->mutable_remove()->set_entry("0190b2c4");
  const auto changes = issuer::DecodeEntryChanges(request);
  ASSERT_EQ(changes.size(), 4U);
  EXPECT_EQ(changes[0].error().Name(), "entry-invalid");
  EXPECT_EQ(changes[1].error().Name(), "selector-invalid");
  EXPECT_EQ(changes[2].error().Name(), "entry-invalid");
  EXPECT_TRUE(changes[3]);
}

TEST(EntryMessage, SaysWhatWasAppliedOrWhyNothingWas) {
  const auto applied = issuer::EncodeAppliedEntries(
      {.applied = {{.changed = true, .before = {}, .after = SampleEntry(1)},
                   {.changed = false, .before = SampleEntry(2), .after = SampleEntry(2)}}});
  ASSERT_EQ(applied.applied_size(), 2);
  EXPECT_TRUE(applied.applied(0).changed());
  EXPECT_FALSE(applied.applied(0).has_before());
  EXPECT_EQ(Must(attest::DecodeEntry(applied.applied(0).after())), SampleEntry(1));
  EXPECT_FALSE(applied.applied(1).changed());
  EXPECT_EQ(Must(attest::DecodeEntry(applied.applied(1).before())), SampleEntry(2));

  const auto refused = issuer::EncodeAppliedEntries(
      {.refused = {{.index = 7,
                    .error = {.text = "no scope", .name = "entry-scope", .advice = "Give one."}}}});
  ASSERT_EQ(refused.refused_size(), 1);
  EXPECT_EQ(refused.refused(0).index(), 7U);
  EXPECT_EQ(refused.refused(0).code(), "entry-scope");
  EXPECT_EQ(refused.refused(0).text(), "no scope");
  EXPECT_EQ(refused.refused(0).advice(), "Give one.");
}

TEST(EntryMessage, FiltersByANodeThatIsKnownAndASelectorThatIsOne) {
  IssuerRig rig;
  Must(rig.inventory->Allow(SampleNodeId(1), {{"site", "berlin"}}, "uid 0"));
  const auto name_of = [&](const std::string& node, const std::string& selector) {
    admin::ListEntriesRequest request;
    request.set_node(node);
    request.set_selector(selector);
    const auto filter = issuer::DecodeEntryFilter(request, *rig.inventory);
    return filter ? "" : std::string(filter.error().Name());
  };
  EXPECT_EQ(name_of("", ""), "");
  EXPECT_EQ(name_of(SampleNodeId(1), "unix:uid:7"), "");
  EXPECT_EQ(name_of("spiffe://example.org/node/" + SampleNodeId(1), ""), "");
  EXPECT_EQ(name_of(SampleNodeId(2), ""), "node-not-found");
  EXPECT_EQ(name_of("", "unix:uid:seven"), "selector-invalid");
}

}  // namespace
}  // namespace lodekey::test
