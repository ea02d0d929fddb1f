#include "cli/entry_plan.h"

#include <gtest/gtest.h>

#include "tests/cli/sample_entry.h"

namespace lodekey::cli {
namespace {

using attest::Entry;

Entry EntryOf(const std::string& id, const std::string& path) {
  Entry entry = SampleEntry();
  entry.id = id;
  entry.spiffe_id = "spiffe://fleet.example" + path;
  return entry;
}

// As a file has it.
EntryLine LineOf(size_t number, Entry entry, const std::string& id = "") {
  entry.id = id;
  entry.revision = 0;
  return {.number = number, .entry = std::move(entry)};
}

std::string Problems(const EntryPlan& plan) {
  std::string text;
  for (const Error& problem : plan.problems) text += problem.text + ";";
  return text;
}

TEST(EntryPlan, CreatesWhatIsNotThere) {
  const EntryPlan plan =
      PlanImport({LineOf(2, EntryOf("", "/a")), LineOf(5, EntryOf("", "/b"), "unknown")}, {});
  ASSERT_EQ(plan.request.changes_size(), 2);
  EXPECT_EQ(plan.request.changes(0).create().spiffe_id(), "spiffe://fleet.example/a");
  EXPECT_EQ(plan.request.changes(1).create().id(), "") << "the issuer gives ids";
  EXPECT_EQ(plan.sources, (std::vector<std::string>{"line 2", "line 5"}));
}

TEST(EntryPlan, LeavesAloneWhatIsSoAlready) {
  const Entry present = EntryOf("1", "/a");
  Entry reordered = present;
  std::swap(reordered.selectors[0], reordered.selectors[1]);
  for (const Entry& entry : {present, reordered}) {
    for (const char* id : {"1", ""}) {
      const EntryPlan plan = PlanImport({LineOf(1, entry, id)}, {present, EntryOf("2", "/b")});
      EXPECT_EQ(plan.request.changes_size(), 0);
      EXPECT_EQ(plan.unchanged, 1U);
    }
  }
}

TEST(EntryPlan, UpdatesByIdOrByWhatTheEntryGrants) {
  const Entry present = EntryOf("1", "/a");
  Entry moved = EntryOf("1", "/moved");
  Entry other_owner = present;
  other_owner.owner = "others";
  const EntryPlan plan = PlanImport(
      {LineOf(1, moved, "1"), LineOf(2, EntryOf("", "/b")), LineOf(3, EntryOf("", "/a"))},
      {present, EntryOf("2", "/b")});
  ASSERT_EQ(plan.request.changes_size(), 1);
  EXPECT_EQ(plan.request.changes(0).update().id(), "1");
  EXPECT_EQ(plan.request.changes(0).update().revision(), present.revision);
  EXPECT_EQ(plan.request.changes(0).update().spiffe_id(), moved.spiffe_id);
  EXPECT_EQ(plan.unchanged, 1U);
  EXPECT_EQ(Problems(plan), "line 3: means the same entry as line 1;");

  const EntryPlan by_grant = PlanImport({LineOf(1, other_owner)}, {present});
  ASSERT_EQ(by_grant.request.changes_size(), 1);
  EXPECT_EQ(by_grant.request.changes(0).update().id(), "1");
  EXPECT_EQ(by_grant.request.changes(0).update().owner(), "others");
}

TEST(EntryPlan, RefusesLinesThatMeanTheSame) {
  Entry twin = EntryOf("", "/a");
  std::swap(twin.selectors[0], twin.selectors[1]);
  EXPECT_EQ(Problems(PlanImport({LineOf(1, EntryOf("", "/a")), LineOf(4, twin)}, {})),
            "line 4: means the same entry as line 1;");
  EXPECT_EQ(
      Problems(PlanImport({LineOf(1, EntryOf("", "/b"), "1"), LineOf(2, EntryOf("", "/c"), "1")},
                          {EntryOf("1", "/a")})),
      "line 2: means the same entry as line 1;");
}

}  // namespace
}  // namespace lodekey::cli
