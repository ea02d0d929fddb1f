#include "issuer/policy.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/utf8.h"
#include "crypto/digest.h"
#include "issuer/policy_data.h"
#include "issuer/policy_input.h"
#include "issuer/policy_probes.h"

namespace lodekey::issuer {
namespace {

std::string Clipped(const std::string& text) { return std::string(ClipUtf8(text, kMaxReasonText)); }

// The failure of a policy denies. Who is denied cannot help it: the standing stays.
PolicyOutput DeniedBy(const Error& error) {
  return {.allow = false,
          .rule = "error",
          .reasons = {{.code = error.name.empty() ? "policy-error" : std::string(error.Name()),
                       .subject = "policy",
                       .expected = "a decision",
                       .seen = Clipped(error.text),
                       .text = Clipped("the policy failed: " + error.text),
                       .accept = error.advice.empty()
                                     ? "On the issuer: correct the policy, and see: lodekey policy "
                                       "check"
                                     : Clipped(error.advice),
                       .message_only = true}}};
}

Result<PolicyOutput> ReadAnswer(PolicyPoint point, const Result<std::string>& answer) {
  if (!answer) return std::unexpected(answer.error());
  return ReadPolicyOutput(point, *answer);
}

Error TooLarge(size_t bytes) {
  return {.code = Code::kDenied,
          .text = fmt::format("what is to be decided on has {} bytes, at most {} are allowed",
                              bytes, kMaxDecisionInput),
          .name = "policy-input",
          .advice = "Give the node fewer labels, or the entry fewer selectors."};
}

// Nodes lose their identity without the others, and a host has many workloads.
WorkerShare ShareOf(PolicyPoint point) {
  return point == PolicyPoint::kIssuance ? WorkerShare::kAllButOne : WorkerShare::kAll;
}

// Who gets something at this point that nobody may be given.
std::optional<std::string> GivesTo(PolicyEngine& engine, PolicyPoint point) {
  // Each on its own: a slow policy does not outlast the probes together.
  for (const PolicyProbe& probe : ProbesOf(point)) {
    const auto answers = engine.Evaluate(PolicyRule(point), {probe.input});
    const auto output = ReadAnswer(point, answers.front());
    if (output && GivesAway(point, *output)) return probe.who;
  }
  return std::nullopt;
}

Error AllowsAll(PolicyPoint point, const std::string& who) {
  const std::string_view name = PolicyPointName(point);
  return {
      .code = Code::kDenied,
      .text = fmt::format("at {} the policy allows what nobody may be given: {}", name, who),
      .name = "policy-allows-all",
      .advice = fmt::format(
          "Give its rules this condition too. Where the policy is to allow everything there, on "
          "a test system, say so in data.json: \"lodekey\": {{\"unsafe_allow_all\": [\"{}\"]}}",
          name)};
}

// Whether it allows everything somewhere, and says so; an error where it does not say so.
Result<bool> CheckProbes(PolicyEngine& engine, const std::vector<PolicyPoint>& named) {
  bool allows_all = false;
  for (const PolicyPoint point : kPolicyPoints) {
    const auto who = GivesTo(engine, point);
    if (!who) continue;
    if (std::ranges::find(named, point) == named.end())
      return std::unexpected(AllowsAll(point, *who));
    allows_all = true;
  }
  return allows_all;
}

}  // namespace

Result<std::shared_ptr<const LoadedPolicy>> LoadPolicy(uint64_t version, const PolicyBundle& bundle,
                                                       const PolicyEngineOptions& options) {
  RETURN_IF_ERROR(CheckBundle(bundle), "policy");
  ASSIGN_OR_RETURN(const PolicyData data, ReadPolicyData(bundle.data), "policy");
  auto loaded = std::make_shared<LoadedPolicy>();
  loaded->version = version;
  loaded->bundle = bundle;
  loaded->appraisal = data.appraisal;
  ASSIGN_OR_RETURN(loaded->engine, PolicyEngine::Load(bundle, options), "policy");
  ASSIGN_OR_RETURN(loaded->allows_all, CheckProbes(*loaded->engine, data.unsafe_allow_all),
                   "policy");
  return std::shared_ptr<const LoadedPolicy>(std::move(loaded));
}

std::shared_ptr<const LoadedPolicy> Policy::Current() const {
  const std::scoped_lock lock(mutex_);
  return loaded_;
}

void Policy::Replace(std::shared_ptr<const LoadedPolicy> loaded) {
  const std::scoped_lock lock(mutex_);
  loaded_ = std::move(loaded);
}

std::vector<Ruling> Policy::Decide(PolicyPoint point, std::vector<std::string> inputs,
                                   Time now) const {
  return Rehearse(*Current(), point, std::move(inputs), now);
}

Ruling Policy::Decide(PolicyPoint point, std::string input, Time now) const {
  return Decide(*Current(), point, std::move(input), now);
}

Ruling Policy::Decide(const LoadedPolicy& policy, PolicyPoint point, std::string input, Time now) {
  std::vector<std::string> inputs;
  inputs.push_back(std::move(input));
  return std::move(Rehearse(policy, point, std::move(inputs), now).front());
}

std::vector<Ruling> Policy::Rehearse(const LoadedPolicy& policy, PolicyPoint point,
                                     std::vector<std::string> inputs, Time now) {
  // What is too large is neither asked nor kept.
  std::vector<size_t> too_large(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].size() <= kMaxDecisionInput) continue;
    too_large[i] = inputs[i].size();
    inputs[i] = fmt::format(R"({{"too_large":{}}})", too_large[i]);
  }
  const auto answers = policy.engine->Evaluate(PolicyRule(point), inputs, ShareOf(point));
  std::vector<Ruling> rulings;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Result<PolicyOutput> output = Fail(Code::kInternal, "the policy gave no answer");
    if (too_large[i] != 0)
      output = std::unexpected(TooLarge(too_large[i]));
    else if (i < answers.size())
      output = ReadAnswer(point, answers[i]);
    Ruling ruling;
    ruling.point_ = point;
    ruling.output_ = output ? *std::move(output) : DeniedBy(output.error());
    ruling.policy_version_ = policy.version;
    ruling.input_digest_ = ToBytes(crypto::Sha256(AsBytes(inputs[i])));
    ruling.input_ = std::move(inputs[i]);
    ruling.decided_ = now;
    rulings.push_back(std::move(ruling));
  }
  return rulings;
}

}  // namespace lodekey::issuer
