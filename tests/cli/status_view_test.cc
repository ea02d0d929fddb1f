#include "cli/status_view.h"

#include <gtest/gtest.h>

#include "tests/cli/fakes.h"

namespace lodekey::cli {
namespace {

using verdict::v1::Verdict;

const Time kNow = Time(Duration(kNowMs));

// Nothing held, as after a start without an issuer.
agent::v1::Status NewStatus(const std::string& phase) {
  agent::v1::Status status;
  status.set_phase(phase);
  status.set_health("red");
  return status;
}

TEST(Serving, IsServedUntilTheIdentityEnds) {
  auto status = EnrolledStatus();
  EXPECT_EQ(ServingOf(status, kNow), Serving::kServed);
  status.set_not_after_unix_ms(kNowMs);
  EXPECT_EQ(ServingOf(status, kNow), Serving::kExpired);
}

TEST(Serving, IsJudgedByTheAgentsTimeWhereTheAgentSaysIt) {
  auto status = EnrolledStatus();
  const Time hour_ahead = kNow + std::chrono::hours(1);
  EXPECT_EQ(AgentTime(status, hour_ahead), hour_ahead);
  status.set_now_unix_ms(kNowMs);
  EXPECT_EQ(AgentTime(status, hour_ahead), kNow);
}

TEST(Serving, IsNotEnrolledWithoutAnIdentity) {
  for (const char* phase : {"starting", "enrolling", "unenrolled", "waiting"}) {
    EXPECT_EQ(ServingOf(NewStatus(phase), kNow), Serving::kNotEnrolled) << phase;
  }
}

TEST(Serving, IsRefusedWhenTheIssuerWithdrewIt) {
  EXPECT_EQ(ServingOf(RefusedStatus(), kNow), Serving::kRefused);
}

TEST(Serving, IsExpiredWhenTheAgentLostAnIdentityThatNobodyTook) {
  auto status = NewStatus("enrolling");
  status.set_last_attested_unix_ms(kNowMs - 1);
  status.mutable_last_verdict()->set_outcome(Verdict::ACCEPTED);
  EXPECT_EQ(ServingOf(status, kNow), Serving::kExpired);
  status.set_phase("unenrolled");
  EXPECT_EQ(ServingOf(status, kNow), Serving::kNotEnrolled);
  status.set_phase("enrolling");
  status.mutable_last_verdict()->set_outcome(Verdict::ENROL_AGAIN);
  EXPECT_EQ(ServingOf(status, kNow), Serving::kNotEnrolled);
}

TEST(Serving, HasAnExitCodeEach) {
  EXPECT_EQ(ExitCodeOf(Serving::kServed), ExitCode::kDone);
  EXPECT_EQ(ExitCodeOf(Serving::kNotEnrolled), ExitCode::kNotEnrolled);
  EXPECT_EQ(ExitCodeOf(Serving::kRefused), ExitCode::kDenied);
  EXPECT_EQ(ExitCodeOf(Serving::kExpired), ExitCode::kExpired);
}

TEST(StatusText, BeginsWithTheIdentityAndHowLongItLasts) {
  const std::string text = StatusText(EnrolledStatus(), kNow);
  EXPECT_TRUE(text.starts_with("This host is spiffe://fleet.example/node/" + std::string(64, 'a') +
                               ", for another 1 hour.\n"))
      << text;
  EXPECT_NE(text.find("audit log seen:   7:" + std::string(64, '1') + "\n"), text.npos) << text;
  EXPECT_EQ(text.find("problem"), text.npos);
}

TEST(StatusText, SaysWhatToDoAboutAProblem) {
  const std::string text = StatusText(RefusedStatus(), kNow);
  EXPECT_NE(text.find("What to do: lodekey explain"), text.npos);
  EXPECT_NE(text.find("The last problem: the issuer refused this host's evidence. "
                      "[pcr-changed-in-boot]\n  What to do: Reboot the host.\n"),
            text.npos);
}

TEST(StatusText, WarnsWhenAServedIdentityIsNotRenewed) {
  auto status = EnrolledStatus();
  status.mutable_problem()->set_code("issuer-unreachable");
  EXPECT_NE(StatusText(status, kNow).find("does not get a new one"), std::string::npos);
}

TEST(StatusText, EscapesWhatTheAgentSays) {
  auto status = NewStatus("\x1b[2J");
  status.mutable_problem()->set_text("\x1b[31m");
  EXPECT_EQ(StatusText(status, kNow).find('\x1b'), std::string::npos);
}

TEST(StatusJson, HasEveryFieldOfItsSchema) {
  const Json json = StatusJson(EnrolledStatus(), kNow);
  for (const char* name :
       {"served", "phase", "health", "spiffe_id", "serial", "not_after", "last_attested",
        "next_attest", "last_verdict", "problem", "trust_domain", "issuer", "ek_hash", "ak_name",
        "audit_head", "bundle_sequence", "version"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  EXPECT_EQ(json["served"], true);
  EXPECT_EQ(json["serial"], "0102");
  EXPECT_EQ(json["not_after"], "2026-06-01T01:00:00.000Z");
  EXPECT_EQ(json["audit_head"]["seq"], 7);
  EXPECT_EQ(json["audit_head"]["hash"], std::string(64, '1'));
  EXPECT_TRUE(json["problem"].is_null());
}

TEST(StatusJson, HasNullForWhatIsAbsent) {
  const Json json = StatusJson(NewStatus("starting"), kNow);
  for (const char* name :
       {"spiffe_id", "serial", "not_after", "last_attested", "next_attest", "last_verdict",
        "problem", "ek_hash", "ak_name", "audit_head", "bundle_sequence"}) {
    EXPECT_TRUE(json[name].is_null()) << name;
  }
  EXPECT_EQ(json["served"], false);
}

}  // namespace
}  // namespace lodekey::cli
