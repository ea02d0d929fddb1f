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

// Whoever is at the other end is this program, and may take its time.
constexpr SteadyTime kNever = SteadyTime::max();

// After `time` on the processor this process gets SIGPROF, which ends it; no time disarms. What it
// waits for a processor is no fault of the policy. The parent watches the clock, but may itself be
// gone: PR_SET_PDEATHSIG would not do, being of the thread that started this process.
void Arm(Duration time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  const std::chrono::microseconds rest = time - seconds;
  const itimerval timer = {.it_interval = {},
                           .it_value = {.tv_sec = seconds.count(), .tv_usec = rest.count()}};
  (void)::setitimer(ITIMER_PROF, &timer, nullptr);
}

void LetTheTimerEnd() {
  sigset_t timer;
  sigemptyset(&timer);
  sigaddset(&timer, SIGPROF);
  (void)::sigprocmask(SIG_UNBLOCK, &timer, nullptr);
}

Result<void> Answer(PolicyAnswer answer) {
  if (answer.text.size() > kMaxPolicyOutput) {
    answer = {.kind = PolicyAnswer::Kind::kError,
              .text = "the value is larger than 256 KiB of JSON",
              .number = answer.number};
  }
  return SendFrame(platform::kChildSocket, Encode(answer), kNever);
}

Result<Bytes> Hear(size_t max) { return ReceiveFrame(platform::kChildSocket, max, kNever); }

Result<void> Load(Rego& rego) {
  ASSIGN_OR_RETURN(const Bytes frame, Hear(kMaxLoadFrame), "hear of the policy");
  ASSIGN_OR_RETURN(const PolicyLoad load, DecodeLoad(frame), "read the policy");
  LetTheTimerEnd();
  if (const auto confined = platform::Confine(load.memory); !confined)
    return Answer({.kind = PolicyAnswer::Kind::kUnfit, .text = confined.error().text});
  Arm(load.time);
  PolicyAnswer answer = rego.Load(load.bundle, load.files);
  Arm({});
  return Answer(std::move(answer));
}

Result<void> Evaluate(const Rego& rego) {
  ASSIGN_OR_RETURN(const Bytes frame, Hear(kMaxQuestionFrame), "hear a question");
  ASSIGN_OR_RETURN(const PolicyQuestion question, DecodeQuestion(frame), "read a question");
  Arm(question.time);
  PolicyAnswer answer = rego.Evaluate(question.rule, question.input);
  Arm({});
  answer.number = question.number;
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
