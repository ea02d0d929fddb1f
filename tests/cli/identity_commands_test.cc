#include <gtest/gtest.h>

#include "tests/cli/fakes.h"

namespace lodekey::cli {
namespace {

agent::v1::EnrollResponse Enrolled(bool changed) {
  agent::v1::EnrollResponse response;
  response.set_changed(changed);
  *response.mutable_status() = EnrolledStatus();
  return response;
}

std::unexpected<Error> Unreachable() {
  return Fail(Code::kUnavailable, "lodekeyd is not reachable",
              {.name = "agent-unreachable", .advice = "Start lodekeyd"});
}

TEST(Enroll, PrintsTheIdentity) {
  CommandRig rig;
  rig.agent.enroll = Enrolled(true);
  EXPECT_EQ(rig.Run({"enroll"}), 0);
  EXPECT_TRUE(rig.out().starts_with("Enrolled as spiffe://fleet.example/node/")) << rig.out();
  EXPECT_EQ(rig.agent.enroll_limit, std::chrono::seconds(60));
}

TEST(Enroll, PrintsItsSchema) {
  CommandRig rig;
  rig.agent.enroll = Enrolled(true);
  EXPECT_EQ(rig.Run({"enroll", "-o", "json", "--timeout", "5s"}), 0);
  EXPECT_EQ(rig.Json(), nlohmann::json({{"schema", 1},
                                        {"changed", true},
                                        {"spiffe_id", EnrolledStatus().spiffe_id()},
                                        {"not_after", "2026-06-01T01:00:00.000Z"}}));
  EXPECT_EQ(rig.agent.enroll_limit, std::chrono::seconds(5));
}

TEST(Enroll, TellsAChangeByItsExitCodeOnlyWhenAsked) {
  CommandRig rig;
  rig.agent.enroll = Enrolled(true);
  EXPECT_EQ(rig.Run({"enroll", "--detailed-exitcode"}), 10);
  rig.agent.enroll = Enrolled(false);
  EXPECT_EQ(rig.Run({"enroll", "--detailed-exitcode"}), 0);
  EXPECT_TRUE(rig.out().starts_with("Already enrolled as")) << rig.out();
}

TEST(Enroll, EndsWithTheReasonOfItsRefusal) {
  CommandRig rig;
  rig.agent.enroll = Fail(Code::kDenied, "the inventory does not have this key",
                          {.name = "ek-not-in-inventory", .advice = "Run: lodekey node allow x"});
  EXPECT_EQ(rig.Run({"enroll"}), 4);
  EXPECT_EQ(rig.out(), "");
  EXPECT_EQ(rig.err(),
            "lodekey: the inventory does not have this key. [ek-not-in-inventory]\n"
            "  Run: lodekey node allow x\n");
  rig.agent.enroll = Fail(Code::kUnavailable, "no answer", {.name = "issuer-unreachable"});
  EXPECT_EQ(rig.Run({"enroll"}), 5);
  rig.agent.enroll = Fail(Code::kInternal, "no device", {.name = "tpm-absent"});
  EXPECT_EQ(rig.Run({"enroll"}), 6);
}

TEST(Enroll, PrintsAnErrorAsJsonWhenAsked) {
  CommandRig rig;
  rig.agent.enroll = Unreachable();
  EXPECT_EQ(rig.Run({"-o", "json", "enroll"}), 1);
  EXPECT_EQ(rig.out(), "");
  EXPECT_EQ(rig.ErrorJson()["schema"], 1);
  EXPECT_EQ(rig.ErrorJson()["code"], "agent-unreachable");
  EXPECT_EQ(rig.ErrorJson()["advice"], "Start lodekeyd");
}

TEST(Unenroll, SaysWhetherAnythingChanged) {
  CommandRig rig;
  agent::v1::EnrollResponse response;
  response.set_changed(true);
  response.mutable_status()->set_phase("unenrolled");
  rig.agent.unenroll = response;
  EXPECT_EQ(rig.Run({"unenroll", "--detailed-exitcode", "-o", "json"}), 10);
  EXPECT_EQ(rig.Json()["changed"], true);
  EXPECT_TRUE(rig.Json()["spiffe_id"].is_null());
  rig.agent.unenroll->set_changed(false);
  EXPECT_EQ(rig.Run({"unenroll", "--detailed-exitcode"}), 0);
  EXPECT_NE(rig.out().find("nothing changed"), std::string::npos);
}

TEST(Attest, SaysThatItWasAccepted) {
  CommandRig rig;
  agent::v1::AttestNowResponse response;
  *response.mutable_status() = EnrolledStatus();
  rig.agent.attest = response;
  EXPECT_EQ(rig.Run({"attest"}), 0);
  EXPECT_NE(rig.out().find("every rule was satisfied"), std::string::npos);
  EXPECT_EQ(rig.Run({"attest", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["accepted"], true);
}

TEST(Attest, ExplainsARefusal) {
  CommandRig rig;
  rig.agent.attest = Fail(Code::kDenied, "refused", {.name = "pcr-changed-in-boot"});
  rig.agent.status = RefusedStatus();
  EXPECT_EQ(rig.Run({"attest"}), 4);
  EXPECT_NE(rig.out().find("1. PCR 8 (sha256) changed while the host was running"),
            std::string::npos);
  EXPECT_NE(rig.err().find("[pcr-changed-in-boot]"), std::string::npos);
  EXPECT_EQ(rig.Run({"attest", "-o", "json"}), 4);
  EXPECT_EQ(rig.Json()["accepted"], false);
  EXPECT_EQ(rig.Json()["verdict"]["outcome"], "node-refused");
}

TEST(Attest, DoesNotExplainAnOlderVerdictForAnotherProblem) {
  CommandRig rig;
  rig.agent.attest = Fail(Code::kDenied, "quarantined", {.name = "node-quarantined"});
  rig.agent.status = RefusedStatus();
  EXPECT_EQ(rig.Run({"attest"}), 4);
  EXPECT_EQ(rig.out(), "");
}

TEST(Attest, EndsWithThreeWhenNotEnrolled) {
  CommandRig rig;
  rig.agent.attest = Fail(Code::kNotFound, "this host is not enrolled", {.name = "not-enrolled"});
  EXPECT_EQ(rig.Run({"attest"}), 3);
}

TEST(StatusCommand, EndsByWhatIsServed) {
  CommandRig rig;
  rig.agent.status = EnrolledStatus();
  EXPECT_EQ(rig.Run({"status"}), 0);
  rig.now += std::chrono::hours(2);
  EXPECT_EQ(rig.Run({"status", "-o", "json"}), 7);
  EXPECT_EQ(rig.Json()["served"], false);
  rig.agent.status = RefusedStatus();
  EXPECT_EQ(rig.Run({"status"}), 4);
  rig.agent.status = agent::v1::Status();
  EXPECT_EQ(rig.Run({"status"}), 3);
  rig.agent.status = Unreachable();
  EXPECT_EQ(rig.Run({"status"}), 1);
}

TEST(StatusCommand, AsksOnceWithoutWait) {
  CommandRig rig;
  rig.agent.status = agent::v1::Status();
  EXPECT_EQ(rig.Run({"status"}), 3);
  EXPECT_EQ(rig.agent.status_calls, 1);
}

TEST(StatusCommand, WaitsUntilAnIdentityIsServed) {
  CommandRig rig;
  rig.agent.status = Unreachable();  // it is only starting
  rig.agent.before_status = [&](int calls) {
    if (calls == 2) rig.agent.status = agent::v1::Status();
    if (calls == 4) rig.agent.status = EnrolledStatus();
  };
  EXPECT_EQ(rig.Run({"status", "--wait", "10s"}), 0);
  EXPECT_EQ(rig.agent.status_calls, 5);
  EXPECT_EQ(rig.now, Time(Duration(kNowMs + 4 * 200)));
}

TEST(StatusCommand, EndsWaitingWhenTheTimeIsOver) {
  CommandRig rig;
  rig.agent.status = agent::v1::Status();
  EXPECT_EQ(rig.Run({"status", "--wait", "1s"}), 3);
  EXPECT_EQ(rig.agent.status_calls, 6);
  rig.agent.status = Unreachable();
  EXPECT_EQ(rig.Run({"status", "--wait", "400ms"}), 1);
}

}  // namespace
}  // namespace lodekey::cli
