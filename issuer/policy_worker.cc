// The child's side of a PolicyEngine: docs/threat-model.md says what it is kept from.
#include <csignal>
#include <limits>
#include <sys/time.h>

#include "issuer/policy_engine.h"
#include "issuer/policy_wire.h"
#include "issuer/rego.h"
#include "platform/child_process.h"
#include "platform/confinement.h"

namespace lodekey::issuer {
namespace {

// regorus looks at the clock between its steps; one step that takes longer ends the process.
constexpr Duration kSlack = std::chrono::milliseconds(200);

// Whoever is at the other end is this program, and may take its time.
constexpr SteadyTime kNever = SteadyTime::max();

// After `time` and the slack this process gets SIGALRM, which ends it; no time disarms. The parent
// watches, too, but may itself be gone: PR_SET_PDEATHSIG would not do, being of the thread that
// started this process.
void Arm(Duration time) {
  const auto end = time == Duration(0) ? time : time + kSlack;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(end);
  const std::chrono::microseconds rest = end - seconds;
  const itimerval timer = {.it_interval = {},
                           .it_value = {.tv_sec = seconds.count(), .tv_usec = rest.count()}};
  (void)::setitimer(ITIMER_REAL, &timer, nullptr);
}

void LetAlarmsEnd() {
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  (void)::sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
}

Result<void> Answer(PolicyAnswer answer) {
  if (answer.text.size() > kMaxPolicyOutput) {
    answer = {.kind = PolicyAnswer::Kind::kError,
              .text = "the value is larger than 256 KiB of JSON"};
  }
  return SendFrame(platform::kChildSocket, Encode(answer), kNever);
}

Result<Bytes> Hear(size_t max) { return ReceiveFrame(platform::kChildSocket, max, kNever); }

Result<void> Load(Rego& rego) {
  ASSIGN_OR_RETURN(const Bytes frame, Hear(kMaxLoadFrame), "hear of the policy");
  ASSIGN_OR_RETURN(const PolicyLoad load, DecodeLoad(frame), "read the policy");
  LetAlarmsEnd();
  if (const auto confined = platform::Confine(load.memory); !confined)
    return Answer({.kind = PolicyAnswer::Kind::kUnfit, .text = confined.error().text});
  Arm(load.time);
  PolicyAnswer answer = rego.Load(load.bundle);
  Arm({});
  return Answer(std::move(answer));
}

Result<void> Evaluate(const Rego& rego) {
  ASSIGN_OR_RETURN(const Bytes frame, Hear(kMaxQuestionFrame), "hear a question");
  ASSIGN_OR_RETURN(const PolicyQuestion question, DecodeQuestion(frame), "read a question");
  Arm(question.time);
  PolicyAnswer answer = rego.Evaluate(question.rule, question.input, question.time);
  Arm({});
  return Answer(std::move(answer));
}

}  // namespace

int RunPolicyWorker() {
  Rego rego;
  Result<void> done = Load(rego);
  while (done) done = Evaluate(rego);
  return done.error().code == Code::kUnavailable ? 0 : 1;
}

}  // namespace lodekey::issuer
