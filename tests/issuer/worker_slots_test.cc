#include "issuer/worker_slots.h"

#include <future>

#include <gtest/gtest.h>

#include "tests/issuer/policy_rig.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using Taken = Result<WorkerSlots::Slot>;

class WorkerSlotsTest : public testing::Test {
 protected:
  void Add(size_t count) {
    for (size_t i = 0; i < count; ++i)
      slots_.Add(test::Must(
          PolicyProcess::Start(Bundle("decision := 1"), PolicyFiles::kDeciding, Options())));
  }
  Taken Take(WorkerShare share) { return slots_.Take(share, steady_clock::now()); }
  void Return(Taken taken, WorkerShare share) { slots_.Return(*std::move(taken), share); }
  static std::string NameOf(const Taken& taken) {
    return taken ? "taken" : std::string(taken.error().Name());
  }

  WorkerSlots slots_;
};

TEST_F(WorkerSlotsTest, LeavesOneToThoseWhoMayHaveAll) {
  Add(2);
  auto first = Take(WorkerShare::kAllButOne);
  EXPECT_EQ(NameOf(first), "taken");
  EXPECT_EQ(NameOf(Take(WorkerShare::kAllButOne)), kPolicyBusy) << "though there is another";
  auto second = Take(WorkerShare::kAll);
  EXPECT_EQ(NameOf(second), "taken");
  EXPECT_EQ(NameOf(Take(WorkerShare::kAll)), kPolicyBusy);
  Return(std::move(first), WorkerShare::kAllButOne);
  EXPECT_EQ(NameOf(Take(WorkerShare::kAllButOne)), "taken");
}

TEST_F(WorkerSlotsTest, ASingleWorkerIsEverybodys) {
  Add(1);
  auto only = Take(WorkerShare::kAllButOne);
  EXPECT_EQ(NameOf(only), "taken");
  EXPECT_EQ(NameOf(Take(WorkerShare::kAll)), kPolicyBusy);
  Return(std::move(only), WorkerShare::kAllButOne);
  EXPECT_EQ(NameOf(Take(WorkerShare::kAll)), "taken");
}

TEST_F(WorkerSlotsTest, WhoWaitsGetsWhatComesBack) {
  Add(1);
  auto first = Take(WorkerShare::kAll);
  auto waiting = std::async(std::launch::async, [this] {
    return NameOf(slots_.Take(WorkerShare::kAllButOne, steady_clock::now() + seconds(20)));
  });
  Return(std::move(first), WorkerShare::kAll);
  EXPECT_EQ(waiting.get(), "taken");
}

}  // namespace
}  // namespace lodekey::issuer
