#include "issuer/policy_process.h"

#include <csignal>
#include <sstream>

#include <fmt/format.h>

#include "platform/escape.h"

namespace lodekey::issuer {
namespace {

constexpr Duration kCompileTime = std::chrono::seconds(5);

// A worker counts its time on the processor. Over that this much of the clock, for the machine that
// has other things to do; a worker that sleeps is found out by it.
constexpr Duration kSlack = std::chrono::seconds(3);

constexpr size_t kMaxQuoted = 2048;  // bytes

std::unexpected<Error> Denied(std::string name, std::string text) {
  return Fail(Code::kDenied, std::move(text), {.name = std::move(name)});
}

std::unexpected<Error> Late() {
  return Denied("policy-time", "the policy takes longer than an evaluation may");
}

// What ended a worker that was asked something.
std::unexpected<Error> Died(int signal) {
  switch (signal) {
    case SIGPROF: return Late();
    case SIGSYS:
      return Denied("policy-error", "the evaluation did what a worker may not, and was ended");
    case 0: return Denied("policy-error", "the worker ended without an answer");
    default:
      return Denied("policy-memory",
                    "the policy needs more memory or stack than an evaluation may have");
  }
}

std::unexpected<Error> Invalid(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "policy-invalid", .advice = "Correct the policy."});
}

std::unexpected<Error> NoWorker(std::string text) {
  return Fail(Code::kUnavailable, std::move(text), {.name = "policy-engine"});
}

// What a worker says goes into logs and to people.
std::string Quoted(std::string_view text) {
  return platform::EscapeControl(text.substr(0, kMaxQuoted));
}

// An answer that comes late must not be taken for one to another question.
Result<PolicyAnswer> AnswerTo(uint32_t number, ByteView frame) {
  ASSIGN_OR_RETURN(PolicyAnswer answer, DecodeAnswer(frame), "read it");
  if (answer.number == number) return answer;
  return Fail(Code::kInvalidArgument,
              fmt::format("it is to question {}, and {} was asked", answer.number, number));
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

Result<PolicyProcess> PolicyProcess::Start(const PolicyBundle& bundle, PolicyFiles files,
                                           const PolicyEngineOptions& options) {
  auto child = platform::ChildProcess::Start(options.program, "policy-worker");
  if (!child) return NoWorker("cannot start a policy worker: " + child.error().text);
  PolicyProcess process(*std::move(child));
  RETURN_IF_ERROR(
      process.Load(
          {.memory = options.memory, .time = kCompileTime, .files = files, .bundle = bundle}),
      "the policy");
  return process;
}

Result<void> PolicyProcess::Load(const PolicyLoad& load) {
  const auto answer = Ask(Encode(load), 0, kCompileTime);
  if (!answer) {
    const std::string_view name = answer.error().Name();
    if (name == "policy-memory")
      return Invalid("to compile it needs more memory or stack than a worker has");
    if (name == "policy-time") return Invalid("it takes longer to compile than it may");
    return NoWorker("the policy worker does not answer: " + answer.error().text);
  }
  if (answer->kind == PolicyAnswer::Kind::kUnfit)
    return NoWorker("a policy worker cannot begin: " + Quoted(answer->text));
  if (answer->kind != PolicyAnswer::Kind::kValue) return Invalid(Quoted(answer->text));
  tests_ = Lines(answer->text);
  for (std::string& test : tests_) test = Quoted(test);
  return {};
}

Result<std::string> PolicyProcess::Evaluate(std::string_view rule, std::string_view input,
                                            Duration time) {
  if (rule.size() > kMaxPolicyRule || input.size() > kMaxPolicyInput)
    return Denied("policy-error",
                  "the input is larger than 256 KiB, or the rule's name than 1 KiB");
  const PolicyQuestion question{
      .number = ++questions_, .rule = std::string(rule), .input = std::string(input), .time = time};
  ASSIGN_OR_RETURN(PolicyAnswer answer, Ask(Encode(question), question.number, time), "evaluate");
  switch (answer.kind) {
    case PolicyAnswer::Kind::kValue: return std::move(answer.text);
    case PolicyAnswer::Kind::kUndefined:
      return Denied("policy-error", fmt::format("{} is undefined for this input", rule));
    case PolicyAnswer::Kind::kError:
    case PolicyAnswer::Kind::kUnfit: break;
  }
  return Denied("policy-error", Quoted(answer.text));
}

// Whoever does not answer, or not in form, or what was not asked, is ended.
Result<PolicyAnswer> PolicyProcess::Ask(ByteView frame, uint32_t number, Duration time) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + time + kSlack;
  Result<Bytes> reply = {};
  if (auto sent = SendFrame(child_.socket(), frame, deadline); !sent)
    reply = std::unexpected(std::move(sent.error()));
  else
    reply = ReceiveFrame(child_.socket(), kMaxAnswerFrame, deadline);
  auto answer = reply ? AnswerTo(number, *reply)
                      : Result<PolicyAnswer>(std::unexpected(std::move(reply.error())));
  if (answer) return answer;
  const int signal = child_.End();
  switch (answer.error().code) {
    case Code::kTimeout: return Late();
    case Code::kUnavailable: return Died(signal);
    default: return Denied("policy-error", "the worker's answer is none: " + answer.error().text);
  }
}

}  // namespace lodekey::issuer
