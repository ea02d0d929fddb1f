#include "issuer/housekeeping.h"

#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::Housekeeping;
using std::chrono::hours;
using std::chrono::minutes;

const issuer::Retention kRetention;

// Steps at `now` until nothing is left; how often there was something.
size_t StepUntilDone(Housekeeping& housekeeping, Time now, Duration uptime) {
  size_t parts = 0;
  while (Must(housekeeping.Step(now, uptime))) ++parts;
  return parts;
}

// Logs that nobody names, and how many of them are there.
void PutLogs(issuer::Store& store, uint8_t count) {
  Must(store.CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
    for (uint8_t i = 0; i < count; ++i) {
      RETURN_IF_ERROR(transaction.PutLog(crypto::Sha256(Bytes{i}), Bytes{i}, At(0)), "log");
    }
    return {};
  }));
}
size_t CountLogs(issuer::Store& store) {
  size_t count = 0;
  Must(store.Read([&](issuer::View& view) -> Result<void> {
    for (int i = 0; i < 256; ++i)
      count += Must(view.HasLog(crypto::Sha256(Bytes{static_cast<uint8_t>(i)}))) ? 1U : 0U;
    return {};
  }));
  return count;
}

TEST(HousekeepingTest, LeavesALiveNodeEverythingItRefersTo) {
  IssuerRig issuer;
  Host host;
  issuer.Admit(host);
  const auto log = issuer.Record(host).enrolment->boot_log_digest;
  while (issuer.Credentials(host).size() < 2) {
    issuer.Pass(minutes(9));
    ASSERT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
  }
  Housekeeping housekeeping(*issuer.database, kRetention);
  EXPECT_EQ(StepUntilDone(housekeeping, issuer.now + 2 * kRetention.evidence, Duration(0)), 1U);
  const auto credentials = issuer.Credentials(host);
  ASSERT_EQ(credentials.size(), 1U);
  EXPECT_EQ(credentials.front().serial, host.certificate().serial());
  Must(issuer.store->Read([&](issuer::View& view) -> Result<void> {
    EXPECT_EQ(Must(view.FindLog(log)), host.boot_log);
    return {};
  }));
  issuer.Pass(minutes(9));
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
}

TEST(HousekeepingTest, GoesOnAPartAtATimeUntilNothingIsLeft) {
  IssuerRig issuer;
  PutLogs(*issuer.database, 100);
  Housekeeping housekeeping(*issuer.database, kRetention);
  EXPECT_TRUE(Must(housekeeping.Step(At(1) + kRetention.evidence, Duration(7))));
  EXPECT_GT(CountLogs(*issuer.database), 0U);
  EXPECT_GT(StepUntilDone(housekeeping, At(1) + kRetention.evidence, Duration(7)), 1U);
  EXPECT_EQ(CountLogs(*issuer.database), 0U);
}

TEST(HousekeepingTest, LooksAgainAnHourLater) {
  IssuerRig issuer;
  Housekeeping housekeeping(*issuer.database, kRetention);
  const Time now = At(1) + kRetention.evidence;
  EXPECT_FALSE(Must(housekeeping.Step(now, Duration(7))));
  PutLogs(*issuer.database, 5);
  EXPECT_FALSE(Must(housekeeping.Step(now, Duration(6) + Housekeeping::kEvery)));
  EXPECT_EQ(CountLogs(*issuer.database), 5U);
  EXPECT_TRUE(Must(housekeeping.Step(now, Duration(7) + Housekeeping::kEvery)));
  EXPECT_EQ(CountLogs(*issuer.database), 0U);
}

TEST(HousekeepingTest, SaysWhyItCannotAndTriesAgain) {
  IssuerRig issuer;
  PutLogs(*issuer.database, 5);
  Housekeeping housekeeping(*issuer.store, kRetention);
  const Time now = At(1) + kRetention.evidence;
  issuer.store->Fail(
      Error{.code = Code::kUnavailable, .text = "full", .name = "store-unavailable"});
  EXPECT_EQ(housekeeping.Step(now, Duration(7)).error().Name(), "store-unavailable");
  issuer.store->Fail({});
  EXPECT_TRUE(Must(housekeeping.Step(now, Duration(7))));
}

}  // namespace
}  // namespace lodekey::test
