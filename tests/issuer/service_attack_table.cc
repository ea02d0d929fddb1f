#include "tests/issuer/service_attack_table.h"

#include <utility>

#include "tests/support/must.h"

namespace lodekey::test {
namespace {

class RowTest final : public ServiceAttack {
 public:
  explicit RowTest(ServiceAttackRow row) : row_(std::move(row)) {}

  void TestBody() override {
    ServiceStage twin(row_.adjust);
    ASSERT_EQ(row_.twin(twin), kAccepted) << "the twin is refused";
    ServiceStage stage(row_.adjust);
    ASSERT_EQ(row_.attack(stage), row_.answer) << row_.title;
    EXPECT_EQ(issuer::StandingName(stage.issuer.Record(stage.host).standing),
              issuer::StandingName(row_.standing));
  }

 private:
  ServiceAttackRow row_;
};

}  // namespace

SoftwareTpmOptions AttackChip(unsigned number) {
  return {.ek_template = "rsa2048-l1", .chip = number};
}

bool RegisterServiceAttacks(const std::vector<ServiceAttackRow>& rows) {
  for (const ServiceAttackRow& row : rows) {
    testing::RegisterTest("ServiceAttack", row.number.c_str(), nullptr, row.title.c_str(), __FILE__,
                          __LINE__, [row]() -> ServiceAttack* { return new RowTest(row); });
  }
  return !rows.empty();
}

std::string Attests(ServiceStage& stage) { return Answer(stage.issuer.Attest(stage.host)); }
std::string Enrols(ServiceStage& stage) { return Answer(stage.issuer.Enrol(stage.host)); }

Act AttestsAfter(Duration wait) {
  return [wait](ServiceStage& stage) {
    stage.issuer.Pass(wait);
    return Attests(stage);
  };
}

Act FinishesAfter(Duration wait) {
  return [wait](ServiceStage& stage) {
    const auto started = Must(stage.issuer.Start(stage.host.Start()));
    stage.issuer.Pass(wait);
    return Answer(stage.issuer.Finish(Must(stage.host.Finish(started))));
  };
}

Act AttestsWith(HostChanges changes) {
  return
      [changes](ServiceStage& stage) { return Answer(stage.issuer.Attest(stage.host, changes)); };
}

Act EnrolsWith(HostChanges changes) {
  return [changes](ServiceStage& stage) { return Answer(stage.issuer.Enrol(stage.host, changes)); };
}

}  // namespace lodekey::test
